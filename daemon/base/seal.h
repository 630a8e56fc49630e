/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last line of each record in the run directory, "# seal CRC": a checksum of all that stands before it (CRC-32
 * as in RFC 1952, which finds each change of one byte, and each of up to 32 bits in a row).  It tells that nothing
 * was cut off or altered since lbd has written it, by a bad disk or by a person; it keeps nobody from writing a
 * right one, which root alone could.
 */
#ifndef LB_SEAL_H
#define LB_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/publish.h"

enum seal {
	SEAL_GOOD,
	SEAL_NONE,   /* of an lbd that wrote none, or torn where it stood */
	SEAL_BROKEN, /* the text is not what was sealed */
};

/* What print writes, and the seal; newly allocated, NULL: out of memory. */
char *seal_text(publish_print *print, const void *arg, size_t *length);

/* Publishes that, for root alone to read.  -errno with a line. */
int seal_publish(const char *path, publish_print *print, const void *arg, struct error *error);

/* What is read at path has a good one; true where it cannot be read. */
bool seal_is_good(const char *path);

/* And whether it is what print writes; false where it cannot be read. */
bool seal_is_as_written(const char *path, publish_print *print, const void *arg);

/* Takes a good one off.  text has a NUL behind its length. */
enum seal seal_cut(char *text, size_t length);

#endif
