// SPDX-License-Identifier: Apache-2.0
#include "static/answer/coding.h"

#include "static/site/lookup.h"

/* "q=0", "q=0.0": not acceptable. */
static bool is_refused(struct slice parameters)
{
	struct slice item;

	while (slice_next(&parameters, ';', &item)) {
		if (item.len < 3 || strncasecmp(item.at, "q=", 2))
			continue;
		for (size_t i = 2; i < item.len; i++)
			if (item.at[i] != '0' && item.at[i] != '.')
				return false;
		return true;
	}
	return false;
}

static unsigned coding_of(struct slice name)
{
	for (unsigned i = 0; i < CODINGS; i++)
		if (slice_is_nocase(name, coding_names[i]))
			return 1U << i;
	if (slice_is_nocase(name, "x-gzip"))
		return CODING_GZIP;
	return slice_is(name, "*") ? CODING_BR | CODING_ZSTD | CODING_GZIP : 0;
}

unsigned coding_accepted(struct slice list)
{
	unsigned accepted = 0, refused = 0, star = 0;
	struct slice item;

	if (!list.len)
		return 0;
	while (slice_next(&list, ',', &item)) {
		struct slice name = {"", 0};
		unsigned bits;

		slice_next(&item, ';', &name);
		bits = coding_of(name);
		if (is_refused(item))
			refused |= slice_is(name, "*") ? 0 : bits;
		else if (slice_is(name, "*"))
			star = bits;
		else
			accepted |= bits;
	}
	return (accepted | star) & ~refused;
}
