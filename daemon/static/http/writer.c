// SPDX-License-Identifier: Apache-2.0
#include "static/http/writer.h"

#include <stdarg.h>
#include <stdio.h>

void write_bytes(struct writer *writer, const void *bytes, size_t len)
{
	if (len > writer->room - writer->len) {
		writer->full = true;
		return;
	}
	if (len)
		memcpy(writer->at + writer->len, bytes, len);
	writer->len += len;
}

void write_text(struct writer *writer, const char *text)
{
	write_bytes(writer, text, strlen(text));
}

void write_number(struct writer *writer, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	do {
		*--at = '0' + number % 10;
	} while (number /= 10);
	write_bytes(writer, at, digits + sizeof(digits) - at);
}

void write_format(struct writer *writer, const char *format, ...)
{
	size_t left = writer->room - writer->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(left ? writer->at + writer->len : NULL, left, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= left)
		writer->full = true;
	else
		writer->len += len;
}
