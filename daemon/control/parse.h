/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the control socket to a JSON object.  Any user may write it: it is looked through before
 * the parser sees it, so that the parser's work and memory are bounded by the length of the line.
 * Private to the room control.
 */
#ifndef LB_CONTROL_PARSE_H
#define LB_CONTROL_PARSE_H

#include <jansson.h>
#include <stddef.h>

enum { CONTROL_DEPTH_MAX = 4, CONTROL_WHY_BYTES = 256 };

/* A new object; NULL with the reason in why. */
json_t *control_parse(const char *line, size_t length, char why[CONTROL_WHY_BYTES]);

#endif
