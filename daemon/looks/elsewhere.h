/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that listens, but not where its pool expects it: what a person has to know to mend either. */
#ifndef LB_ELSEWHERE_H
#define LB_ELSEWHERE_H

#include <stdbool.h>

struct backend;

/* What the backend's worker listens on that is not the backend's: "[::1]:99, 0.0.0.0:8".  False: nothing. */
enum { ELSEWHERE_TEXT_BYTES = 256 };
bool elsewhere_find(const struct backend *backend, char text[ELSEWHERE_TEXT_BYTES]);

#endif
