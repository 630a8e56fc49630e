/* SPDX-License-Identifier: Apache-2.0 */
#include "base/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/read_file.h"

#define WORDS "# seal "

enum {
	LINE_BYTES = sizeof(WORDS) - 1 + 8 + 1, /* CRC in hexadecimal, and a newline */
	FILE_BYTES_MAX = 64 << 20,
};

static void write_sealed(const char *text, size_t length, char line[LINE_BYTES + 1])
{
	unsigned long crc = crc32_z(0, (const unsigned char *)text, length);

	snprintf(line, LINE_BYTES + 1, WORDS "%08lx\n", crc);
}

char *seal_text(publish_print *print, const void *arg, size_t *length)
{
	char *text = NULL, line[LINE_BYTES + 1];
	FILE *file = open_memstream(&text, length);

	if (!file)
		return NULL;
	print(file, arg);
	if (!fflush(file)) {
		write_sealed(text, *length, line);
		fputs(line, file);
	}
	if (!fclose(file))
		return text;
	free(text);
	return NULL;
}

struct text {
	char *bytes;
	size_t length;
};

static void print_text(FILE *file, const void *arg)
{
	const struct text *text = arg;

	fwrite(text->bytes, 1, text->length, file);
}

int seal_publish(const char *path, publish_print *print, const void *arg, struct error *error)
{
	struct text text;
	int err;

	text.bytes = seal_text(print, arg, &text.length);
	if (!text.bytes)
		return error_set(error, -ENOMEM, "%s: out of memory", path);
	err = publish("", path, 0600, print_text, &text, error);
	free(text.bytes);
	return err;
}

static bool has_one(const char *text)
{
	return !strncmp(text, WORDS, strlen(WORDS)) || strstr(text, "\n" WORDS);
}

enum seal seal_cut(char *text, size_t length)
{
	char line[LINE_BYTES + 1];

	if (strlen(text) != length)
		return SEAL_BROKEN;
	if (length >= LINE_BYTES) {
		write_sealed(text, length - LINE_BYTES, line);
		if (!strcmp(text + length - LINE_BYTES, line)) {
			text[length - LINE_BYTES] = '\0';
			return SEAL_GOOD;
		}
	}
	return has_one(text) ? SEAL_BROKEN : SEAL_NONE;
}

bool seal_is_good(const char *path)
{
	struct error ignored;
	size_t length;
	char *text;
	bool is_good;

	if (read_file("", path, geteuid(), FILE_BYTES_MAX, &text, &length, &ignored))
		return true;
	is_good = seal_cut(text, length) == SEAL_GOOD;
	free(text);
	return is_good;
}

bool seal_is_as_written(const char *path, publish_print *print, const void *arg)
{
	struct error ignored;
	size_t length, wanted_length;
	char *text = NULL, *wanted = seal_text(print, arg, &wanted_length);
	bool is_same = false;

	if (wanted && !read_file("", path, geteuid(), FILE_BYTES_MAX, &text, &length, &ignored)) {
		is_same = length == wanted_length && !memcmp(text, wanted, length);
		free(text);
	}
	free(wanted);
	return is_same;
}
