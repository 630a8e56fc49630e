// SPDX-License-Identifier: Apache-2.0
/* The open-loop client's arithmetic: its percentiles, and where a response ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/histogram.h"
#include "bench/response.h"
#include "bench/target.h"

/* Every value lies in its bucket, and the bucket's top is at most 1/128 above it. */
static void test_buckets(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < UINT64_C(1) << 39; value += 1 + value / 1000) {
		uint64_t top = histogram_top(histogram_index(value));

		assert_true(top >= value);
		assert_true(top - value <= value / 128);
		assert_int_equal(histogram_index(top), histogram_index(value));
	}
}

static void test_percentiles(void **state)
{
	static struct histogram h;

	(void)state;
	assert_int_equal(histogram_percentile(&h, 0.99), 0);
	for (uint64_t i = 1; i <= 100; i++)
		histogram_add(&h, i);
	assert_int_equal(histogram_percentile(&h, 0.5), 50);
	assert_int_equal(histogram_percentile(&h, 0.99), 99);
	assert_int_equal(histogram_percentile(&h, 1), 100);
	assert_true(histogram_mean(&h) == 50.5);
	histogram_add(&h, UINT64_MAX >> 8);
	assert_int_equal(histogram_percentile(&h, 1), UINT64_MAX >> 8);
}

struct row {
	const char *name;
	const char *text;
	int done;   /* of the last byte */
	bool early; /* a piece may complete it before the fault has come */
	bool close;
	const char *label;
};

#define OK "HTTP/1.1 200 OK\r\n"
static const struct row rows[] = {
	{"whole", OK "X-Worker: 7\r\nContent-Length: 2\r\n\r\nhi", 1, false, false, "7"},
	{"names in any case", OK "x-WORKER:8\r\ncontent-LENGTH:2\r\n\r\nhi", 1, false, false, "8"},
	{"closed after", OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi", 1, false, true, ""},
	{"no body", OK "Content-Length: 0\r\n\r\n", 1, false, false, ""},
	{"until the end", OK "\r\nhi", 0, false, false, ""},
	{"no HTTP", "SSH-2.0-x\r\n\r\n", -1, false, false, ""},
	{"too much", OK "Content-Length: 1\r\n\r\nhi", -1, true, false, ""},
};

/* In pieces of every size, as TCP may deliver it. */
static void test_response(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t size = strlen(rows[i].text);

		for (size_t piece = 1; piece <= size; piece++) {
			struct response r = {0};
			int done = 0;

			response_reset(&r);
			for (size_t at = 0; at < size && !done; at += piece) {
				size_t take = size - at < piece ? size - at : piece;

				done = response_feed(&r, rows[i].text + at, take, "X-Worker");
			}
			if (done != rows[i].done && !(done == 1 && rows[i].early))
				fail_msg("%s in pieces of %zu: %d", rows[i].name, piece, done);
			if (done == 1) {
				assert_int_equal(r.close, rows[i].close);
				assert_string_equal(r.label, rows[i].label);
			}
		}
	}
}

static void test_target(void **state)
{
	static const struct {
		const char *text;
		int family; /* 0: refused */
		unsigned port;
	} targets[] = {
		{"127.0.0.1:8081", AF_INET, 8081},
		{"[::1]:80", AF_INET6, 80},
		{"[::1:80", 0, 0},
		{"127.0.0.1", 0, 0},
		{":80", 0, 0},
		{"", 0, 0},
		{"localhost:80", 0, 0},
		{"127.0.0.1:http", 0, 0},
		{"127.0.0.1:80808080808080808080808080808080808080808080808080808080808080808080"
		 "808080808080808080808080808080808080808080808080808080808080",
		 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct target target = {0};
		struct sockaddr_in *v4 = (struct sockaddr_in *)&target.addr;
		int err = target_parse(&target, targets[i].text);

		if (!!err != !targets[i].family || target.addr.ss_family != targets[i].family ||
		    ntohs(v4->sin_port) != targets[i].port) /* at the same place in both families */
			fail_msg("\"%s\": %d, family %d, port %u", targets[i].text, err,
				 target.addr.ss_family, ntohs(v4->sin_port));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
