/* SPDX-License-Identifier: Apache-2.0 */
/* A request as lbd's log has it. */
#ifndef LB_ASKED_H
#define LB_ASKED_H

#include "verbs/call.h"

/*
 * "pool drain web 127.0.0.1:8081 wait, by root (uid 0)", from the members that the verb takes; values are cut, quoted
 * where they could be taken for words of the line, and not made printable: the log does that.  The room is for five
 * values of which each byte has a backslash: who asked comes last, and is never cut.
 */
enum { ASKED_BYTES = 1024 };
void asked_print(const struct call *call, const char *verb, const char *words, const char *flags,
		 char text[ASKED_BYTES]);

/* In quotes, these and backslashes in it with a backslash; no more of it than so many bytes. */
void asked_quote(const char *text, size_t most, FILE *out);

#endif
