// SPDX-License-Identifier: Apache-2.0
#include "static/ground/fault.h"

#include <stdarg.h>
#include <stdio.h>

int fault_set(struct fault *fault, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	/* One line, whatever was found. */
	for (char *at = fault->text; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = '?';
	return code;
}
