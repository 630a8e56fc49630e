// SPDX-License-Identifier: Apache-2.0
#include "static/answer/multipart.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { PART_TEXT_BYTES = 1280 };

/* Of the process, and not to be guessed: a file cannot have been made to contain it. */
static const char *boundary(void)
{
	static char text[33];
	unsigned long long random[2] = {0};

	if (!*text) {
		if (getrandom(random, sizeof(random), GRND_NONBLOCK) < 0)
			random[0] = (uintptr_t)&random;
		snprintf(text, sizeof(text), "%016llx%016llx", random[0], random[1]);
	}
	return text;
}

void multipart_write_type(struct writer *writer)
{
	write_format(writer, "Content-Type: multipart/byteranges; boundary=%s\r\n", boundary());
}

static void write_part(struct writer *writer, const struct answer *answer,
		       const struct range *range)
{
	write_format(writer, "\r\n--%s\r\n", boundary());
	write_slice(writer, answer->entity);
	write_format(writer, "Content-Range: bytes %llu-%llu/%llu\r\n\r\n",
		     (unsigned long long)range->from, (unsigned long long)range->to - 1,
		     (unsigned long long)answer->size);
}

struct parts *multipart_make(const struct answer *answer, const struct range *ranges,
			     unsigned count)
{
	size_t size = sizeof(struct parts) + (count + 1) * sizeof(struct part);
	struct parts *parts = malloc(size + (count + 1) * PART_TEXT_BYTES);
	struct writer writer;

	if (!parts)
		return NULL;
	*parts = (struct parts){.count = count + 1};
	writer = (struct writer){.at = (char *)parts + size, .room = (count + 1) * PART_TEXT_BYTES};
	for (unsigned i = 0; i <= count; i++) {
		struct part *part = &parts->part[i];
		size_t start = writer.len;

		*part = (struct part){.from = 0};
		if (i < count) {
			*part = (struct part){.from = ranges[i].from, .to = ranges[i].to};
			write_part(&writer, answer, &ranges[i]);
		} else {
			write_format(&writer, "\r\n--%s--\r\n", boundary());
		}
		part->text = (struct slice){writer.at + start, writer.len - start};
	}
	return parts;
}

uint64_t multipart_length(const struct parts *parts)
{
	uint64_t length = 0;

	for (unsigned i = 0; i < parts->count; i++)
		length += parts->part[i].text.len + parts->part[i].to - parts->part[i].from;
	return length;
}
