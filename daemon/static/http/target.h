/* SPDX-License-Identifier: Apache-2.0 */
/* From a request target to the one path that every rule and every open sees.  Pure. */
#ifndef LBSTATIC_TARGET_H
#define LBSTATIC_TARGET_H

#include "static/http/slice.h"

enum { PATH_BYTES = 4096 };

/*
 * Splits an origin-form or absolute-form target (RFC 9112, 3.2) into its path and query, still
 * encoded.  query.at is NULL without one.  Returns 0 or 400.
 */
int target_split(struct slice target, struct slice *path, struct slice *query);

/*
 * Decodes a path once, joins repeated slashes and drops "." segments into out (PATH_BYTES), ended by
 * NUL.  Returns 0, 400 for a bad escape, NUL, control character or "..", or 414 when it does not fit.
 */
int target_decode(struct slice path, char *out);

/* Whether a segment of the decoded path begins with a dot; /.well-known (RFC 8615) does not count. */
bool target_is_hidden(const char *path);

/* Encodes what a path may not carry (RFC 3986, 3.3); returns the length, at most room - 1. */
size_t target_encode(const char *path, char *out, size_t room);

#endif
