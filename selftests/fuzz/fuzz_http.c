// SPDX-License-Identifier: Apache-2.0
/*
 * Everything of lbstatic that reads what a client sent: the request head, its target, its fields and
 * its content.  Beyond memory errors it looks for answers that cannot be right.
 */
#include "static/answer/coding.h"
#include "static/answer/condition.h"
#include "static/answer/content.h"
#include "static/answer/range.h"
#include "static/http/date.h"
#include "static/http/request.h"
#include "static/http/target.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static const struct request_limits limits = {.line_bytes = 8192, .head_bytes = 16384};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_status(int status)
{
	static const int known[] = {0, -EAGAIN, 400, 414, 417, 431, 501, 505};

	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i] == status)
			return;
	abort();
}

/* A head that is complete is complete at one place, however it is cut into segments. */
static void check_prefixes(const struct request *request, const char *at)
{
	struct request other;
	size_t cuts[] = {request->head_bytes - 1, request->head_bytes / 2, request->head_bytes / 3};

	require(!request_parse(&other, at, request->head_bytes, &limits));
	require(other.head_bytes == request->head_bytes && other.target.at == request->target.at);
	for (unsigned i = 0; i < 3; i++)
		require(request_parse(&other, at, cuts[i], &limits) == -EAGAIN);
}

static void check_target(struct slice target)
{
	static char path[PATH_BYTES], encoded[3 * PATH_BYTES], again[PATH_BYTES];
	struct slice raw, query;

	if (target_split(target, &raw, &query) || target_decode(raw, path))
		return;
	require(*path == '/' && strlen(path) < PATH_BYTES);
	require(!strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
	require(strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/.."));
	target_is_hidden(path);
	target_encode(path, encoded, sizeof(encoded));
	require(!target_decode(slice_of(encoded), again) && !strcmp(path, again));
}

static void check_ranges(struct slice value)
{
	static const uint64_t sizes[] = {0, 1, 1000, 1ULL << 40};
	struct range ranges[RANGES_MAX];

	for (unsigned i = 0; i < 4; i++) {
		int count = range_parse(value, sizes[i], ranges, 16);
		uint64_t sum = 0;

		require(count == 416 || (count >= 0 && count <= 16));
		for (int j = 0; j < count && count != 416; j++) {
			require(ranges[j].from < ranges[j].to && ranges[j].to <= sizes[i]);
			sum += ranges[j].to - ranges[j].from;
		}
		require(sum <= sizes[i]);
	}
}

static void check_date(struct slice value)
{
	time_t time = date_parse(value);
	char text[DATE_BYTES];

	if (time < 0 || time > 253402300799) /* the year 9999 */
		return;
	date_format(text, time);
	require(date_parse((struct slice){text, DATE_BYTES}) == time);
}

static void check_fields(const struct request *request)
{
	struct validators validators = {{"\"a-b\"", 5}, 784111777};
	int status = condition_check(request, &validators);

	require(status == 0 || status == 304 || status == 412);
	condition_allows_range(request, &validators);
	require(coding_accepted(request->field[FIELD_ACCEPT_ENCODING]) < 8);
	check_ranges(request->field[FIELD_RANGE]);
	check_date(request->field[FIELD_IF_MODIFIED_SINCE]);
}

/* Content read in two pieces ends where it ends in one. */
static void check_content(const struct request *request, const char *at, size_t len)
{
	struct content whole, pieces;
	size_t used, first, second = 0, cut = len / 2;
	int err, piece_err;

	content_start(&whole, request);
	pieces = whole;
	err = content_skip(&whole, at, len, &used);
	require(used <= len && (err == 0 || err == -EAGAIN || err == -EINVAL));
	piece_err = content_skip(&pieces, at, cut, &first);
	if (piece_err == -EAGAIN)
		piece_err = content_skip(&pieces, at + first, len - first, &second);
	require(piece_err == err && first + second == used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;
	struct request request;
	int status = request_parse(&request, at, size, &limits);

	check_status(status);
	if (status)
		return 0;
	require(request.head_bytes <= size && request.target.len && request.minor <= 9);
	check_prefixes(&request, at);
	check_target(request.target);
	check_fields(&request);
	check_content(&request, at + request.head_bytes, size - request.head_bytes);
	return 0;
}
