/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef LB_UTF8_H
#define LB_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that begins at text, of which left > 0 are there; 0: it is none. */
size_t utf8_decode(const char *text, size_t left, uint32_t *code);

/* Bytes at the end, 0 to 3, that are the beginning of a character whose rest is still to come. */
size_t utf8_unfinished(const char *text, size_t length);

#endif
