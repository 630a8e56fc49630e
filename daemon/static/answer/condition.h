/* SPDX-License-Identifier: Apache-2.0 */
/* Preconditions, in the order of RFC 9110, 13.2.2.  Pure. */
#ifndef LBSTATIC_CONDITION_H
#define LBSTATIC_CONDITION_H

#include "static/http/request.h"

#include <time.h>

/* What a representation is known by. */
struct validators {
	struct slice etag; /* strong, with its quotes */
	time_t modified;
};

/* 0: go on; 304; 412. */
int condition_check(const struct request *request, const struct validators *validators);

/* Whether a Range may be honoured: no If-Range, or one that names this very representation. */
bool condition_allows_range(const struct request *request, const struct validators *validators);

#endif
