/* SPDX-License-Identifier: Apache-2.0 */
/* Dates in HTTP fields: RFC 9110, 5.6.7.  Pure; independent of locale and time zone. */
#ifndef LBSTATIC_DATE_H
#define LBSTATIC_DATE_H

#include "static/http/slice.h"

#include <time.h>

enum { DATE_BYTES = 29 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

/* Writes DATE_BYTES bytes and no NUL. */
void date_format(char *out, time_t time);

/* Reads any of the three forms; returns -1 for what is none of them. */
time_t date_parse(struct slice text);

#endif
