/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for a person about what was refused: the object, what was found, what is allowed, what to
 * do next.  Inner modules fill it in and return -errno; the edge (control, main) prints it once.
 */
#ifndef LB_ERROR_H
#define LB_ERROR_H

enum { ERROR_TEXT_BYTES = 512 };

struct error {
	char text[ERROR_TEXT_BYTES];
};

/* Sets the text (cut to its room) and returns code, a negative errno, for `return error_set(...)`. */
int error_set(struct error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there; returns code. */
int error_prefix(struct error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
