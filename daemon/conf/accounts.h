/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The users and groups that a configuration names, each with what is not done without it; and which of them it may
 * name: those that this host knows, and those that were in force before, which may have gone since.
 */
#ifndef LB_CONF_ACCOUNTS_H
#define LB_CONF_ACCOUNTS_H

#include "conf/conf.h"

struct conf_account {
	const char *object, *word; /* what names it, and the word before the name */
	const char *keeps;         /* what is not done without it */
	const char *name;
	bool is_group;
	uid_t uid; /* (uid_t)-1: that is not kept */
};

typedef void conf_account_function(void *arg, const struct conf_account *use);

/* What function is told of lasts for that call. */
void conf_each_account(const struct conf *conf, conf_account_function *function, void *arg);

/* Whether conf names it: *uid, of an owner, is the number that it had there; else (uid_t)-1, which is nobody's. */
bool conf_accounts_has(const struct conf *conf, const char *name, bool is_group, uid_t *uid);

/* -ENOENT: this host knows no such user, or group. */
int conf_find_uid(const char *name, uid_t *uid);
int conf_find_gid(const char *name);

/* The same of one that the configuration may name though it is unknown now: 0, and *uid is what it was, or -1. */
int conf_accept_user(const char *name, uid_t *uid);
int conf_accept_group(const char *name);

/* While one is built, what it may name (NULL: what this host knows): see conf_rebuild() and conf_build_change(). */
extern const struct conf_accepted {
	bool all;
	const struct conf *before; /* or NULL */
} * conf_accepted;

#endif
