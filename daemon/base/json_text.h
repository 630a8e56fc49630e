/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that others wrote (output, file names, answers, words of a file) as a JSON string.  Such text is
 * never given to jansson itself, which has no string for what is not UTF-8: the whole reply would be gone.
 */
#ifndef LB_JSON_TEXT_H
#define LB_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/* Each byte that is not UTF-8 becomes U+FFFD; NUL stays, as \u0000.  NULL: no memory. */
json_t *json_text_bytes(const char *bytes, size_t length);
json_t *json_text(const char *text); /* up to its NUL */

#endif
