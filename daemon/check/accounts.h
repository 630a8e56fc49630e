/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The users and groups that a configuration names, and those of them that this host knows no more.  What was in
 * force goes on without a user who has gone since; a change of something else is no reason to refuse it either.
 */
#ifndef LB_CONF_ACCOUNTS_H
#define LB_CONF_ACCOUNTS_H

#include "check/launch.h"

/* Tells a line for each that is unknown now: who is kept from what by that. */
void conf_accounts_warn(const struct conf *conf, const struct launch_warn *warn);

/* Whether conf names it: *uid, of an owner, is the number that it had there; else (uid_t)-1, which is nobody's. */
bool conf_accounts_has(const struct conf *conf, const char *name, bool is_group, uid_t *uid);

#endif
