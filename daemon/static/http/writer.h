/* SPDX-License-Identifier: Apache-2.0 */
/* Text built in a buffer of fixed room: what does not fit sets full and is left out.  Pure. */
#ifndef LBSTATIC_WRITER_H
#define LBSTATIC_WRITER_H

#include "static/http/slice.h"

#include <stdint.h>

struct writer {
	char *at;
	size_t len, room;
	bool full;
};

void write_bytes(struct writer *writer, const void *bytes, size_t len);
void write_text(struct writer *writer, const char *text);
void write_number(struct writer *writer, uint64_t number);
void write_format(struct writer *writer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void write_slice(struct writer *writer, struct slice slice)
{
	write_bytes(writer, slice.at, slice.len);
}

#endif
