/* SPDX-License-Identifier: Apache-2.0 */
/* lbstatic's cache, deadlines, patterns, client prefixes, numbers with units, media types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "static/answer/cache.h"
#include "static/ground/timers.h"
#include "static/options/access.h"
#include "static/options/mime.h"
#include "static/options/pattern.h"
#include "static/options/scale.h"

#define ROWS(array) (sizeof(array) / sizeof(*(array)))

/* An answer with nothing but a key, which takes bytes of memory. */
static struct answer *answer(const char *key, size_t bytes)
{
	struct answer *made = calloc(1, sizeof(*made));

	assert_non_null(made);
	made->refs = 1;
	made->fd = -1;
	made->bytes = bytes;
	made->key = slice_of(key);
	return made;
}

static void put(struct cache *cache, const char *key, unsigned codings, uint64_t now_ms)
{
	struct answer *made = answer(key, 100);

	cache_put(cache, made, codings, now_ms);
	answer_unref(made);
}

static bool has(struct cache *cache, const char *key, unsigned codings, uint64_t oldest_ms)
{
	return cache_get(cache, slice_of(key), codings, oldest_ms) != NULL;
}

static void cache_keeps_what_was_used_last(void **state)
{
	struct limits limits = {.cache_files = 3, .cache_bytes = 1000};
	struct cache cache;

	(void)state;
	assert_int_equal(cache_init(&cache, &limits), 0);
	put(&cache, "/a", 0, 10);
	put(&cache, "/b", 0, 10);
	put(&cache, "/c", 0, 10);
	assert_true(has(&cache, "/a", 0, 0));
	put(&cache, "/d", 0, 10);
	assert_true(has(&cache, "/a", 0, 0));
	assert_false(has(&cache, "/b", 0, 0));
	assert_int_equal(cache.count, 3);
	cache_free(&cache);
}

static void cache_tells_codings_and_ages_apart(void **state)
{
	struct limits limits = {.cache_files = 10, .cache_bytes = 1000};
	struct cache cache;

	(void)state;
	assert_int_equal(cache_init(&cache, &limits), 0);
	put(&cache, "/a", 1, 10);
	assert_false(has(&cache, "/a", 0, 0));
	assert_true(has(&cache, "/a", 1, 10));
	assert_false(has(&cache, "/a", 1, 11));
	put(&cache, "/a", 1, 20);
	assert_true(has(&cache, "/a", 1, 20));
	assert_int_equal(cache.count, 1);
	put(&cache, "/b", 1, 30);
	cache_trim(&cache, 25);
	assert_false(has(&cache, "/a", 1, 0));
	assert_true(has(&cache, "/b", 1, 0));
	cache_free(&cache);
}

static void cache_keeps_to_its_memory(void **state)
{
	struct limits limits = {.cache_files = 100, .cache_bytes = 250};
	struct answer *large = answer("/large", 251);
	struct cache cache;

	(void)state;
	assert_int_equal(cache_init(&cache, &limits), 0);
	put(&cache, "/a", 0, 1);
	cache_put(&cache, large, 0, 1);
	assert_int_equal(large->refs, 1);
	assert_true(has(&cache, "/a", 0, 0));
	put(&cache, "/b", 0, 1);
	put(&cache, "/c", 0, 1);
	assert_int_equal(cache.bytes, 200);
	assert_false(has(&cache, "/a", 0, 0));
	assert_true(cache_drop_oldest(&cache));
	assert_true(cache_drop_oldest(&cache));
	assert_false(cache_drop_oldest(&cache));
	answer_unref(large);
	cache_free(&cache);
}

static void timers_expire_in_order(void **state)
{
	struct timers timers = {.duration_ms = {[TIMER_HEADER] = 10, [TIMER_IDLE] = 100}};
	struct timer a = {.kind = TIMER_NONE}, b = a, c = a;

	(void)state;
	timers_init(&timers);
	assert_int_equal(timers_wait_ms(&timers, 0), -1);
	timer_set(&timers, &a, TIMER_IDLE, 1000);
	timer_set(&timers, &b, TIMER_IDLE, 1005);
	timer_set(&timers, &c, TIMER_HEADER, 1020);
	assert_int_equal(timers_wait_ms(&timers, 1020), 10);
	assert_null(timers_due(&timers, 1029));
	assert_ptr_equal(timers_due(&timers, 1030), &c);
	timer_set(&timers, &c, TIMER_NONE, 1030);
	assert_int_equal(timers_wait_ms(&timers, 1030), 70);
	timer_set(&timers, &a, TIMER_IDLE, 1040);
	assert_ptr_equal(timers_first(&timers, TIMER_IDLE), &b);
	assert_ptr_equal(timers_due(&timers, 1105), &b);
	assert_int_equal(timers_wait_ms(&timers, 2000), 0);
}

static void patterns_match(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} rows[] = {
		{"*", "/", true},
		{"*", "/a/b", true},
		{"*.css", "/a.css", true},
		{"*.css", "/a/b.css", true},
		{"*.css", "/a.css/b", false},
		{"*.css", "/a.CSS", false},
		{"index.html", "/x/index.html", true},
		{"/a", "/a", true},
		{"/a", "/a/", true},
		{"/a", "/a/b", true},
		{"/a", "/ab", false},
		{"/a/", "/a/b", true},
		{"/a/", "/a", true},
		{"/", "/a", true},
		{"/a*", "/ab/c", true},
		{"/a/*.js", "/a/b/c.js", true},
		{"/a/?.js", "/a/b.js", true},
		{"/a/[!b].js", "/a/b.js", false},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(pattern_match(rows[i].pattern, rows[i].path), rows[i].matches);
}

static struct address address(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(&prefix, text), 0);
	return prefix.address;
}

static void prefixes_match(void **state)
{
	static const struct {
		const char *prefix, *address;
		bool matches;
	} rows[] = {
		{"all", "1.2.3.4", true},
		{"all", "::1", true},
		{"0.0.0.0/0", "1.2.3.4", true},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "::1", true},
		{"::/0", "1.2.3.4", false},
		{"::/80", "1.2.3.4", false},
		{"::ffff:0:0/96", "1.2.3.4", true},
		{"10.0.0.0/9", "10.127.255.255", true},
		{"10.0.0.0/9", "10.128.0.0", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
	};
	static const char *const bad[] = {"",           "x",           "1.2.3",
					  "1.2.3.4/",   "1.2.3.4/33",  "::/129",
					  "::/-1",      "1.2.3.4/1x",  "1.2.3.4/ 1",
					  "10.1.0.0/8", "10.0.0.1/31", "2001:db8::1/64"};
	struct prefix prefix;
	char text[ADDRESS_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct address client = address(rows[i].address);

		assert_int_equal(prefix_parse(&prefix, rows[i].prefix), 0);
		assert_int_equal(prefix_match(&prefix, &client), rows[i].matches);
	}
	for (size_t i = 0; i < ROWS(bad); i++)
		assert_int_not_equal(prefix_parse(&prefix, bad[i]), 0);
	prefix.address = address("192.0.2.1");
	assert_string_equal(address_format(&prefix.address, text), "192.0.2.1");
	prefix.address = address("2001:db8::1");
	assert_string_equal(address_format(&prefix.address, text), "2001:db8::1");
}

static void numbers_have_units(void **state)
{
	(void)state;
	assert_int_equal(duration_parse("500ms"), 500);
	assert_int_equal(duration_parse("10s"), 10000);
	assert_int_equal(duration_parse("5m"), 300000);
	assert_int_equal(duration_parse("1d"), 86400000);
	assert_int_equal(duration_parse("0"), 0);
	assert_int_equal(duration_parse("10"), -1);
	assert_int_equal(duration_parse("-1s"), -1);
	assert_int_equal(duration_parse("s"), -1);
	assert_int_equal(duration_parse("99999999999999999999s"), -1);
	assert_int_equal(size_parse("64k"), 65536);
	assert_int_equal(size_parse("7"), 7);
	assert_int_equal(size_parse("1g"), 1 << 30);
	assert_int_equal(size_parse("1kb"), -1);
	assert_int_equal(size_parse(""), -1);
}

static void types_come_from_extensions(void **state)
{
	struct mime *mime;

	(void)state;
	assert_int_equal(mime_load(NULL, &mime), 0);
	assert_string_equal(mime_find(mime, "/a/b.css"), "text/css");
	assert_string_equal(mime_find(mime, "/a.css/b"), "application/octet-stream");
	assert_string_equal(mime_find(mime, "/a.JPG"), "image/jpeg");
	assert_string_equal(mime_find(mime, "/a.avif"), "image/avif");
	assert_string_equal(mime_find(mime, "/a.zst"), "application/zstd");
	assert_string_equal(mime_find(mime, "/a.averyverylongextension"),
			    "application/octet-stream");
	assert_true(mime_is_text("text/css"));
	assert_false(mime_is_text("image/png"));
	mime_free(mime);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cache_keeps_what_was_used_last),
		cmocka_unit_test(cache_tells_codings_and_ages_apart),
		cmocka_unit_test(cache_keeps_to_its_memory),
		cmocka_unit_test(timers_expire_in_order),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(prefixes_match),
		cmocka_unit_test(numbers_have_units),
		cmocka_unit_test(types_come_from_extensions),
	};

	return cmocka_run_group_tests_name("static_parts", tests, NULL, NULL);
}
