// SPDX-License-Identifier: Apache-2.0
#include "static/answer/range.h"

/* Digits at the front of text; false without any.  What does not fit is as good as infinite. */
static bool take_number(struct slice *text, uint64_t *number)
{
	const char *start = text->at;

	*number = 0;
	while (text->len && *text->at >= '0' && *text->at <= '9') {
		if (*number > (INT64_MAX - 9) / 10)
			*number = INT64_MAX / 10;
		*number = *number * 10 + (*text->at - '0');
		text->at++;
		text->len--;
	}
	return text->at != start;
}

/* One of "5-9", "5-", "-5": 1 when it can be satisfied, 0 when not, -1 when malformed. */
static int parse_one(struct slice text, uint64_t size, struct range *range)
{
	uint64_t first, last = UINT64_MAX;
	bool has_first = take_number(&text, &first), has_last;

	if (!text.len || *text.at != '-')
		return -1;
	text.at++;
	text.len--;
	has_last = take_number(&text, &last);
	if (text.len || (!has_first && !has_last) || (has_first && has_last && last < first))
		return -1;
	if (!has_first) {
		*range = (struct range){last < size ? size - last : 0, size};
		return last > 0 && size > 0;
	}
	*range = (struct range){first, has_last && last < size ? last + 1 : size};
	return first < size;
}

int range_parse(struct slice value, uint64_t size, struct range *ranges, unsigned most)
{
	unsigned count = 0, seen = 0;
	uint64_t sum = 0;
	struct slice item;

	if (value.len < 6 || strncasecmp(value.at, "bytes=", 6))
		return 0;
	value.at += 6;
	value.len -= 6;
	while (slice_next(&value, ',', &item)) {
		struct range range;
		int good;

		if (!item.len)
			continue;
		good = parse_one(item, size, &range);
		if (good < 0 || ++seen > most || count == RANGES_MAX)
			return 0;
		if (!good)
			continue;
		sum += range.to - range.from;
		ranges[count++] = range;
	}
	if (!seen || (count > 1 && sum > size))
		return 0;
	return count ? (int)count : 416;
}
