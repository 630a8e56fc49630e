/* SPDX-License-Identifier: Apache-2.0 */
/* A whole file of text, opened as open_file.h says. */
#ifndef LB_READ_FILE_H
#define LB_READ_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * *bytes is newly allocated, with a NUL behind its length.  -EFBIG beyond most bytes, whatever the file
 * says of its size; else as open_file().
 */
int read_file(const char *what, const char *path, uid_t user, size_t most, char **bytes,
	      size_t *length, struct error *error);

#endif
