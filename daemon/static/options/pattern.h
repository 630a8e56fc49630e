/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patterns that rules apply to.  Pure.
 *   /docs       that path and all below it: begins with a slash and has none of * ? [
 *   *.css       the last component, as a shell would match it: has no slash
 *   /v?/x*.js   the whole path, as a shell would match it; * also matches slashes
 */
#ifndef LBSTATIC_PATTERN_H
#define LBSTATIC_PATTERN_H

#include <stdbool.h>

bool pattern_is_prefix(const char *pattern);
bool pattern_match(const char *pattern, const char *path);

#endif
