/* SPDX-License-Identifier: Apache-2.0 */
/* Which number in the commands of a program is its port. */
#ifndef LB_IMPORT_PORT_H
#define LB_IMPORT_PORT_H

#include <stdbool.h>
#include <stddef.h>

struct import_port {
	unsigned first;
	char *text;           /* with $port for it, and $index for other numbers that count */
	bool counts_from_one; /* $index took the place of numbers that began otherwise */
};

/*
 * texts are what the processes of a program have, in order; they may differ in numbers only.  The port
 * is the number that goes up by one from each to the next, best after "port" or ':'; of a single
 * process, one that stands there, or a last word.  Only the first `decide` bytes of the first text
 * decide.  False: there is none.
 */
bool import_port_find(char *const *texts, size_t count, size_t decide, struct import_port *port);

#endif
