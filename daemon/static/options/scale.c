// SPDX-License-Identifier: Apache-2.0
#include "static/options/scale.h"

#include <stdlib.h>
#include <string.h>

static long long parse_scaled(const char *text, const char *const *suffix, const long long *scale)
{
	char *end;
	long long number = strtoll(text, &end, 10);

	if (*text < '0' || *text > '9' || number > 1LL << 40)
		return -1;
	for (; *suffix; suffix++, scale++)
		if (!strcmp(end, *suffix))
			return number * *scale;
	return -1;
}

long long duration_parse(const char *text)
{
	static const char *const suffix[] = {"ms", "s", "m", "h", "d", NULL};
	static const long long scale[] = {1, 1000, 60000, 3600000, 86400000};

	return strcmp(text, "0") ? parse_scaled(text, suffix, scale) : 0;
}

long long size_parse(const char *text)
{
	static const char *const suffix[] = {"", "k", "m", "g", NULL};
	static const long long scale[] = {1, 1LL << 10, 1LL << 20, 1LL << 30};

	return parse_scaled(text, suffix, scale);
}
