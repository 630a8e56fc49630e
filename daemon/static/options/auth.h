/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Basic authentication (RFC 7617) against a password file of "user:hash" lines, the hash in any form
 * that crypt(5) knows.  The file is read once, at start, before privileges are dropped.
 */
#ifndef LBSTATIC_AUTH_H
#define LBSTATIC_AUTH_H

#include "static/ground/fault.h"
#include "static/http/slice.h"

struct users;

int users_load(const char *path, struct users **out, struct fault *fault);
void users_free(struct users *users);

/* Whether an Authorization field names one of the users with the right password. */
bool users_check(struct users *users, struct slice authorization);

#endif
