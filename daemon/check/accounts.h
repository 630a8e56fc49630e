/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The users and groups that this host knows no more.  What was in force goes on without a user who has gone since; a
 * change of something else is no reason to refuse it either.
 */
#ifndef LB_CHECK_ACCOUNTS_H
#define LB_CHECK_ACCOUNTS_H

#include "check/verdict.h"
#include "conf/conf.h"

/* Tells a line for each that is unknown now: who is kept from what by that. */
void conf_accounts_warn(const struct conf *conf, const struct launch_warn *warn);

#endif
