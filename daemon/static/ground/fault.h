/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for a person about what was refused: the object, what was found, what is allowed.  Inner
 * modules fill it in and return -errno; main prints it once.
 */
#ifndef LBSTATIC_FAULT_H
#define LBSTATIC_FAULT_H

enum { FAULT_TEXT_BYTES = 512 };

struct fault {
	char text[FAULT_TEXT_BYTES];
};

/* Sets the text (cut to its room) and returns code, a negative errno, for `return fault_set(...)`. */
int fault_set(struct fault *fault, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
