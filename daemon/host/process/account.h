/* SPDX-License-Identifier: Apache-2.0 */
/* As whom a program runs: a user's and a group's numbers, the other groups, and what login(1) would say. */
#ifndef LB_ACCOUNT_H
#define LB_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "host/process/environment.h"

struct account {
	const char *name; /* as it was asked for, in errors; borrowed */
	bool set;         /* uid, gid and groups differ from lbd's, or may */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned */
	size_t group_count;
};

/*
 * Looks them up, by name or number; either may be NULL, both: lbd's own user.  env gets HOME, USER, LOGNAME
 * and SHELL of the user.  -EINVAL with a line: unknown.
 */
int account_find(const char *user, const char *group, struct account *account,
		 struct environment *env, struct error *error);

/* The user's number alone; NULL: lbd's own.  -EINVAL with a line, and *uid is nobody's. */
int account_uid(const char *user, uid_t *uid, struct error *error);

/* For a child of lbd's alone, before its program: it runs as that from now on.  -errno. */
int account_become(const struct account *account);

void account_clear(struct account *account);

#endif
