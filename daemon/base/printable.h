/* SPDX-License-Identifier: Apache-2.0 */
/* Text of others, made such that a terminal shows it and does not obey it. */
#ifndef LB_PRINTABLE_H
#define LB_PRINTABLE_H

#include <stddef.h>

/*
 * Puts '?', in place, for each control character (C0 but newline and tab, DEL, C1), each that turns the
 * direction of writing (Bidi_Control of Unicode's PropList.txt, UAX #9), ends a line (Zl, Zp) or is not to be
 * seen (Default_Ignorable_Code_Point of DerivedCoreProperties.txt, but for what words are written with: U+00AD,
 * U+200C, U+200D, and the variation selectors below U+10000), for U+FFFD, and for each byte that is no UTF-8: a
 * terminal may take that as C1.  Returns the length now; text[that] is NUL, for which text[length] must have room.
 */
size_t printable(char *text, size_t length);

/* The same, newlines and tabs as blanks: one line. */
size_t printable_line(char *text, size_t length);

#endif
