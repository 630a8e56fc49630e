/* SPDX-License-Identifier: Apache-2.0 */
/* What lbstatic reads from a request, without a socket; the rows over a socket are in e2e/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "static/answer/coding.h"
#include "static/answer/content.h"
#include "static/answer/range.h"
#include "static/http/date.h"
#include "static/http/request.h"
#include "static/http/target.h"
#include "static/site/lookup.h"

#define ROWS(array) (sizeof(array) / sizeof(*(array)))

static const struct request_limits limits = {.line_bytes = 64, .head_bytes = 256};

static void heads_are_read(void **state)
{
	const char text[] = "GET /a?b HTTP/1.1\r\nhOST:  h \r\nRange: bytes=0-\r\n"
			    "Connection: keep-alive, CLOSE\r\nUser-Agent: x y\r\n\r\nnext";
	struct request request;

	(void)state;
	assert_int_equal(request_parse(&request, text, sizeof(text) - 1, &limits), 0);
	assert_int_equal(request.head_bytes, sizeof(text) - 1 - 4);
	assert_int_equal(request.method, METHOD_GET);
	assert_int_equal(request.minor, 1);
	assert_int_equal(request.flags, REQUEST_CLOSE);
	assert_true(slice_is(request.target, "/a?b"));
	assert_true(slice_is(request.line, "GET /a?b HTTP/1.1"));
	assert_true(slice_is(request.field[FIELD_HOST], "h"));
	assert_true(slice_is(request.field[FIELD_USER_AGENT], "x y"));
	assert_null(request.field[FIELD_REFERER].at);
	assert_int_equal(request.seen,
			 1U << FIELD_HOST | 1U << FIELD_RANGE | 1U << FIELD_USER_AGENT);
}

static void a_head_is_complete_at_its_last_byte(void **state)
{
	const char text[] = "\r\nHEAD / HTTP/1.0\nA: b\r\n\n";
	struct request request;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(request_parse(&request, text, len, &limits), -EAGAIN);
	assert_int_equal(request_parse(&request, text, sizeof(text) - 1, &limits), 0);
	assert_int_equal(request.flags, REQUEST_CLOSE);
}

static void limits_are_kept(void **state)
{
	char text[512];
	struct request request;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	assert_int_equal(request_parse(&request, text, 60, &limits), -EAGAIN);
	assert_int_equal(request_parse(&request, text, 80, &limits), 414);
	memcpy(text, "GET / HTTP/1.1\r\nB: ", 19);
	assert_int_equal(request_parse(&request, text, 256, &limits), -EAGAIN);
	assert_int_equal(request_parse(&request, text, 257, &limits), 431);
}

static void targets_are_decoded_once(void **state)
{
	static const struct {
		const char *target, *path, *query; /* path NULL: refused */
	} rows[] = {
		{"/", "/", NULL},
		{"/a%20b?c%20d", "/a b", "c%20d"},
		{"/a?", "/a", ""},
		{"/%2541", "/%41", NULL},
		{"//a///b/", "/a/b/", NULL},
		{"/./a/././b/.", "/a/b/", NULL},
		{"/a/.b/..c/...", "/a/.b/..c/...", NULL},
		{"/a%2fb", "/a/b", NULL},
		{"/a%2f%2e%2e%2fb", NULL, NULL},
		{"/a/..", NULL, NULL},
		{"/%00", NULL, NULL},
		{"/%7f", NULL, NULL},
		{"/%", NULL, NULL},
		{"/%a", NULL, NULL},
		{"/%ag", NULL, NULL},
		{"http://h", "/", NULL},
		{"http://h/x/../y", NULL, NULL},
		{"HTTPS://h:1/x?y", "/x", "y"},
		{"http:///x", "/x", NULL},
		{"a/b", NULL, NULL},
		{"*", NULL, NULL},
	};
	char path[PATH_BYTES];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice raw, query;
		int status = target_split(slice_of(rows[i].target), &raw, &query);

		if (!status)
			status = target_decode(raw, path);
		assert_int_equal(status, rows[i].path ? 0 : 400);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
		if (rows[i].path && rows[i].query)
			assert_true(slice_is(query, rows[i].query));
		else if (rows[i].path)
			assert_null(query.at);
	}
}

static void dotfiles_are_hidden(void **state)
{
	(void)state;
	assert_true(target_is_hidden("/.a"));
	assert_true(target_is_hidden("/a/.b/c"));
	assert_true(target_is_hidden("/.well-known/.a"));
	assert_true(target_is_hidden("/.well-knownx"));
	assert_false(target_is_hidden("/.well-known/a"));
	assert_false(target_is_hidden("/a.b/c."));
}

static void dates_are_read_in_three_forms(void **state)
{
	static const struct {
		const char *text;
		time_t time;
	} rows[] = {
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
		{"Sun Nov  6 08:49:37 1994", 784111777},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Fri, 01 Jan 2100 00:00:00 GMT", 4102444800},
		{"Friday, 01-Jan-49 00:00:00 GMT", 2493072000},
		{"Sun, 06 Nov 1994 08:49:37", -1},
		{"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
		{"Sun, 06 Nov 1994 24:49:37 GMT", -1},
		{"Sun, 00 Nov 1994 08:49:37 GMT", -1},
		{"Sun, 06 nov 1994 08:49:37 GMT", -1},
		{"Sun, 6 Nov 1994 08:49:37 GMT", -1},
		{"", -1},
		{"Sun", -1},
		{"784111777", -1},
	};
	char text[DATE_BYTES];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(date_parse(slice_of(rows[i].text)), rows[i].time);
	date_format(text, 784111777);
	assert_memory_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT", DATE_BYTES);
}

static void ranges_are_cut_to_size(void **state)
{
	static const struct {
		const char *value;
		uint64_t size;
		int count;
		struct range first;
	} rows[] = {
		{"bytes=0-0", 10, 1, {0, 1}},
		{"bytes=5-", 10, 1, {5, 10}},
		{"bytes=-5", 3, 1, {0, 3}},
		{"bytes=0-18446744073709551615", 10, 1, {0, 10}},
		{"bytes=18446744073709551615-", 10, 416, {0, 0}},
		{"bytes=0-", 0, 416, {0, 0}},
		{"bytes=-0", 10, 416, {0, 0}},
		{"bytes=0-1,2-3,4-5", 10, 3, {0, 2}},
		{"bytes=0-1,2-3,4-5,6-7", 10, 0, {0, 0}}, /* more than 3 */
		{"bytes=0-9,0-0", 10, 0, {0, 0}},         /* more than the whole */
		{"bytes=1-0", 10, 0, {0, 0}},
		{"bytes", 10, 0, {0, 0}},
	};
	struct range ranges[RANGES_MAX];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		assert_int_equal(range_parse(slice_of(rows[i].value), rows[i].size, ranges, 3),
				 rows[i].count);
		if (rows[i].count && rows[i].count != 416)
			assert_memory_equal(ranges, &rows[i].first, sizeof(*ranges));
	}
}

static void codings_are_accepted(void **state)
{
	static const struct {
		const char *value;
		unsigned codings;
	} rows[] = {
		{"", 0},
		{"gzip", CODING_GZIP},
		{"br;q=1.0, zstd;q=0.001, gzip;q=0", CODING_BR | CODING_ZSTD},
		{"*", CODING_BR | CODING_ZSTD | CODING_GZIP},
		{"*;q=0, br", CODING_BR},
		{"gzip;q=0, *", CODING_BR | CODING_ZSTD},
		{"identity;q=1, deflate", 0},
		{" , ,;q=0", 0},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(coding_accepted(slice_of(rows[i].value)), rows[i].codings);
}

static void content_is_skipped(void **state)
{
	static const struct {
		const char *text;
		int err;
		size_t left; /* bytes of text behind the content */
	} rows[] = {
		{"3\r\nabc\r\n0\r\n\r\nGET", 0, 3},
		{"A;x=\"y\"\r\n0123456789\r\n000\r\nA: b\r\nC: d\r\n\r\n", 0, 0},
		{"3 \r\nabc\r\n0\r\n\r\n", 0, 0},
		{"3\r\nab", -EAGAIN, 0},
		{"3\r\nabcd", -EINVAL, 0},
		{"3\nabc\n0\n\n", -EINVAL, 0},
		{"\r\n", -EINVAL, 0},
		{"-1\r\n", -EINVAL, 0},
		{"0x3\r\n", -EINVAL, 0},
		{"1234567890123456\r\n", -EINVAL, 0},
		{"0\r\n\rX", -EINVAL, 0},
	};
	struct request request = {.flags = REQUEST_CHUNKED};
	struct content content;
	size_t used;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		size_t len = strlen(rows[i].text);

		content_start(&content, &request);
		assert_int_equal(content_skip(&content, rows[i].text, len, &used), rows[i].err);
		if (!rows[i].err)
			assert_int_equal(len - used, rows[i].left);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_read),
		cmocka_unit_test(a_head_is_complete_at_its_last_byte),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(targets_are_decoded_once),
		cmocka_unit_test(dotfiles_are_hidden),
		cmocka_unit_test(dates_are_read_in_three_forms),
		cmocka_unit_test(ranges_are_cut_to_size),
		cmocka_unit_test(codings_are_accepted),
		cmocka_unit_test(content_is_skipped),
	};

	return cmocka_run_group_tests_name("static_http", tests, NULL, NULL);
}
