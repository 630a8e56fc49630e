/* SPDX-License-Identifier: Apache-2.0 */
/* Text of others, made such that a terminal shows it and does not obey it. */
#ifndef LB_PRINTABLE_H
#define LB_PRINTABLE_H

/*
 * Puts '?' for each byte, in place, of control characters (C0 but newline and tab, DEL, and C1 as UTF-8),
 * of those that turn the direction of writing (U+202A to U+202E, U+2066 to U+2069: UAX #9), and of what is
 * no UTF-8: a terminal may take that as C1.
 */
void printable(char *text);

/* The same, newlines and tabs as blanks: one line. */
void printable_line(char *text);

#endif
