/* SPDX-License-Identifier: Apache-2.0 */
/* Accept-Encoding: RFC 9110, 12.5.3.  Pure. */
#ifndef LBSTATIC_CODING_H
#define LBSTATIC_CODING_H

#include "static/http/slice.h"

/* The CODING_* of lookup.h that a client accepts, by the value of the field. */
unsigned coding_accepted(struct slice list);

#endif
