/* SPDX-License-Identifier: Apache-2.0 */
/* Who may have a path, by which of its names, and what a listing tells of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "static/answer/guard.h"
#include "static/http/target.h"

#define ROWS(array) (sizeof(array) / sizeof(*(array)))

enum { RULES = 2 };

/* "allow PREFIX PATTERN" in three words. */
struct line {
	bool allows;
	const char *client, *pattern; /* NULL: no rule */
};

static void add_rules(struct options *options, const struct line line[RULES])
{
	for (unsigned i = 0; i < RULES && line[i].pattern; i++) {
		struct rule *rule = rules_add(&options->rules, RULE_ACCESS, line[i].pattern);

		assert_non_null(rule);
		rule->allows = line[i].allows;
		assert_int_equal(prefix_parse(&rule->client, line[i].client), 0);
	}
}

static const struct {
	struct line line[RULES];
	const char *path;
	bool precompressed, concerned;
	int status;
} access_rows[] = {
	{{{0}}, "/x.js.gz", true, false, 0},
	{{{false, "all", "*.js"}}, "/x.js", true, true, 403},
	{{{false, "all", "*.js"}}, "/x.js.gz", true, true, 403},
	{{{false, "all", "*.js"}}, "/x.js.br", true, true, 403},
	{{{false, "all", "*.js"}}, "/x.js.zst", true, true, 403},
	{{{false, "all", "*.js"}}, "/x.js.gz", false, false, 0},
	{{{false, "all", "*.js"}}, "/x.js.gzip", true, false, 0},
	{{{false, "all", "*.js"}}, "/x.gz", true, false, 0},
	{{{false, "192.0.2.2", "*.js"}}, "/x.js.gz", true, true, 0},
	{{{true, "192.0.2.2", "*.js"}}, "/x.js.gz", true, true, 403},
	{{{true, "192.0.2.1", "*.js"}}, "/x.js.gz", true, true, 0},
	/* The other name takes away alone; a later rule for the path itself goes first. */
	{{{false, "all", "*"}, {true, "all", "*.js"}}, "/x.js.gz", true, true, 403},
	{{{false, "all", "*"}, {true, "all", "*.gz"}}, "/x.js.gz", true, true, 0},
	{{{false, "all", "*.js"}, {true, "all", "*.gz"}}, "/x.js.gz", true, true, 0},
	{{{true, "all", "*.gz"}, {false, "all", "*.js"}}, "/x.js.gz", true, true, 403},
	{{{false, "all", "/a/b"}, {true, "all", "/a/b.gz"}}, "/a/b.gz", true, true, 0},
	/* A directory, and what is none. */
	{{{false, "all", "/a[bc]"}}, "/ab/", true, true, 403},
	{{{false, "all", "/a[bc]"}}, "/ab/c", true, false, 0},
	{{{false, "all", "ab"}}, "/ab/", true, true, 403},
	{{{false, "all", "*.gz"}}, "/ab.gz/", true, true, 403},
	{{{false, "all", "/ab"}}, "/ab.gz/", true, false, 0},
	{{{false, "all", "x"}}, "/", true, false, 0},
	{{{false, "all", "/a"}}, "/a/.gz", true, true, 403},
	{{{false, "all", "/[a]/"}}, "/a/.gz", true, false, 0},
};

static void access_rules_look_at_both_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(access_rows); i++) {
		struct options options = {.precompressed = access_rows[i].precompressed};
		struct prefix client;
		struct visitor visitor = {.client = &client.address};
		const char *realm = NULL;

		assert_int_equal(prefix_parse(&client, "192.0.2.1"), 0);
		add_rules(&options, access_rows[i].line);
		assert_int_equal(guard_concerns(&options, access_rows[i].path),
				 access_rows[i].concerned);
		assert_int_equal(guard_check(&options, access_rows[i].path, &visitor, &realm),
				 access_rows[i].status);
		assert_int_equal(guard_lists(&options, "/", access_rows[i].path, &client.address),
				 !access_rows[i].status);
		assert_null(realm);
		rules_free(&options.rules);
	}
}

/* Of what asks for a password a listing tells, when the directory asks for the same. */
static void listings_follow_passwords(void **state)
{
	static const struct {
		const char *pattern, *directory, *path;
		bool lists;
	} rows[] = {
		{"/in", "/", "/in/", false},       {"/in", "/in/", "/in/a", true},
		{"/other", "/in/", "/in/a", true}, {"*.js", "/", "/x.js", false},
		{"*.js", "/", "/x.js.gz", false},  {"*", "/", "/x.js.gz", true},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct options options = {.precompressed = true};
		struct address client = {{0}};

		assert_non_null(rules_add(&options.rules, RULE_AUTH, rows[i].pattern));
		assert_int_equal(guard_lists(&options, rows[i].directory, rows[i].path, &client),
				 rows[i].lists);
		rules_free(&options.rules);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_rules_look_at_both_names),
		cmocka_unit_test(listings_follow_passwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
