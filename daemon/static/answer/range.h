/* SPDX-License-Identifier: Apache-2.0 */
/* The Range field, in bytes: RFC 9110, 14.  Pure. */
#ifndef LBSTATIC_RANGE_H
#define LBSTATIC_RANGE_H

#include "static/http/slice.h"

#include <stdint.h>

enum { RANGES_MAX = 64 };

struct range {
	uint64_t from, to; /* to is the byte behind the last */
};

/*
 * Returns how many ranges of a content of size bytes are wanted (in the order asked, at most most),
 * 0 when the field is to be ignored (another unit, malformed, too many, or overlapping so that more
 * than the whole would be sent), or 416 when none of them can be satisfied.
 */
int range_parse(struct slice value, uint64_t size, struct range *ranges, unsigned most);

#endif
