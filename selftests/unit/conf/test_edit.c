/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/edit.h"

static const char before[] = "attach eth0;\n"
			     "pool web { backend 127.0.0.1:8081; backend [::1]:8082 weight 3; }\n"
			     "service web { listen 0.0.0.0:80; pool web; }\n"
			     "pool spare { backend 127.0.0.1:9001; }\n"
			     "pool same { } service same { listen 0.0.0.0:83; }\n"
			     "pool own { worker { command true; ports 9101; } }\n";

static struct block *root;
static struct error error;

static int setup(void **state)
{
	(void)state;
	error.text[0] = 0;
	return block_parse("test", before, strlen(before), &root, &error);
}

static int teardown(void **state)
{
	(void)state;
	block_free(root);
	return 0;
}

/* The tree as block_print() has it, white space folded. */
static void assert_tree_has(const char *text, bool present)
{
	char *printed = NULL, *out;
	size_t size;
	FILE *file = open_memstream(&printed, &size);

	block_print(root, file);
	fclose(file);
	out = printed;
	for (const char *at = printed; *at; at++)
		if (*at != '\n' && *at != '\t')
			*out++ = *at;
		else if (out > printed && out[-1] != ' ')
			*out++ = ' ';
	*out = 0;
	if (!!strstr(printed, text) != present)
		fail_msg("%s \"%s\" in: %s", present ? "no" : "still", text, printed);
	free(printed);
}

static void attach_changes_its_mode(void **state)
{
	(void)state;
	assert_int_equal(edit_attach(root, "eth0", "generic", &error), 0);
	assert_tree_has("attach eth0 generic;", true);
	assert_tree_has("attach eth0;", false);
	assert_int_equal(edit_detach(root, "eth0", &error), 0);
	assert_tree_has("attach", false);
	assert_true(edit_detach(root, "eth1", &error) < 0);
	assert_non_null(strstr(error.text, "eth1"));
}

static void backends_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(edit_backend_add(root, "web", "127.0.0.1:8083", "2", "10", NULL, &error),
			 0);
	assert_tree_has("backend 127.0.0.1:8083 weight 2 max_connections 10;", true);
	assert_int_equal(edit_backend_remove(root, "web", "127.0.0.1:8081", &error), 0);
	assert_tree_has("8081", false);
	assert_int_equal(edit_backend_add(root, "new", "127.0.0.1:7000", NULL, NULL, NULL, &error),
			 0);
	assert_tree_has("pool new { backend 127.0.0.1:7000; }", true);
}

/* Nothing is left of it to save, but for what a person wrote, and a service. */
static void a_pool_goes_with_its_last_backend(void **state)
{
	static const char text[] =
		"pool default { backend 127.0.0.1:1; }\n"
		"pool set { scheduler random; backend 127.0.0.1:2; }\n"
		"# why\npool said { backend 127.0.0.1:3; }\n"
		"pool used { backend 127.0.0.1:4; }\n"
		"pool two { backend 127.0.0.1:5; backend 127.0.0.1:6; }\n"
		"service s { listen 0.0.0.0:80; pool used; }\n"
		"static st { listen 0.0.0.0:81; root /; backend 127.0.0.1:7; }\n";
	static const struct {
		const char *pool, *address;
		bool stays;
	} rows[] = {
		{"default", "127.0.0.1:1", false}, {"set", "127.0.0.1:2", true},
		{"said", "127.0.0.1:3", true},     {"used", "127.0.0.1:4", true},
		{"two", "127.0.0.1:5", true},      {"two", "127.0.0.1:6", false},
		{"st", "127.0.0.1:7", true},
	};
	char name[16];

	block_free(root);
	assert_int_equal(block_parse("test", text, strlen(text), &root, &error), 0);
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(edit_backend_remove(root, rows[i].pool, rows[i].address, &error),
				 0);
		snprintf(name, sizeof(name), " %s {", rows[i].pool);
		assert_tree_has(name, rows[i].stays);
	}
	assert_int_equal(edit_backend_add(root, "default", "127.0.0.1:1", NULL, NULL, NULL, &error),
			 0);
	assert_tree_has("pool default { backend 127.0.0.1:1; }", true);
}

/* The first directive may go: what stands above it is said of the whole file. */
static void the_head_of_a_file_stays(void **state)
{
	static const char text[] = "# whose host it is\nattach eth0;\n# the shop\n"
				   "pool p { backend 127.0.0.1:1; }\nattach eth1; # second\n";

	(void)state;
	block_free(root);
	assert_int_equal(block_parse("test", text, strlen(text), &root, &error), 0);
	assert_int_equal(edit_attach(root, "eth0", "generic", &error), 0);
	assert_tree_has("# whose host it is attach eth0 generic; # the shop pool p {", true);
	assert_int_equal(edit_detach(root, "eth0", &error), 0);
	assert_tree_has("# whose host it is # the shop pool p {", true);
	assert_int_equal(edit_pool_remove(root, "p", true, &error), 0);
	assert_tree_has("# whose host it is # the shop # second attach eth1;", true);
	assert_int_equal(edit_detach(root, "eth1", &error), 0);
	assert_tree_has("# whose host it is # the shop # second", true);
}

/* However the address is written. */
static void duplicates_are_seen(void **state)
{
	(void)state;
	assert_true(edit_backend_add(root, "web", "[0:0::1]:8082", NULL, NULL, NULL, &error) < 0);
	assert_true(edit_backend_remove(root, "web", "127.0.0.1:9999", &error) < 0);
	assert_true(edit_backend_remove(root, "nowhere", "127.0.0.1:8081", &error) < 0);
	assert_non_null(strstr(error.text, "nowhere"));
}

static void drain_is_a_word_of_the_backend(void **state)
{
	(void)state;
	assert_int_equal(edit_backend_drain(root, "web", "[::1]:8082", 1), 0);
	assert_tree_has("backend [::1]:8082 weight 3 drain;", true);
	assert_int_equal(edit_backend_drain(root, "web", "127.0.0.1:8081", 1), 0);
	assert_tree_has("{ backend 127.0.0.1:8081 drain; backend [::1]:8082", true);
	assert_int_equal(edit_backend_drain(root, "web", "127.0.0.1:8081", 0), 0);
	assert_int_equal(edit_backend_drain(root, "web", "[::1]:8082", 0), 0);
	assert_tree_has("drain", false);
	assert_int_equal(edit_backend_drain(root, "web", "127.0.0.1:1", 1), 0);
	assert_tree_has("drain", false);
	assert_int_equal(edit_backend_add(root, "web", "127.0.0.1:9001", NULL, NULL, NULL, &error),
			 0);
	assert_tree_has("backend 127.0.0.1:9001", true);
}

static void weight_is_a_word_of_the_backend(void **state)
{
	static const struct {
		const char *address, *weight, *line;
	} rows[] = {
		{"127.0.0.1:8081", "5", "{ backend 127.0.0.1:8081 weight 5; backend"},
		{"127.0.0.1:8081", "6", "{ backend 127.0.0.1:8081 weight 6; backend"},
		{"[0::1]:8082", "7", "backend [::1]:8082 weight 7;"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(edit_backend_weight(root, "web", rows[i].address, rows[i].weight,
						     &error),
				 0);
		assert_tree_has(rows[i].line, true);
	}
	assert_true(edit_backend_weight(root, "web", "127.0.0.1:1", "5", &error) < 0);
	assert_non_null(strstr(error.text, "127.0.0.1:1"));
}

static void a_pool_in_use_stays(void **state)
{
	(void)state;
	assert_true(edit_pool_remove(root, "web", true, &error) < 0);
	assert_non_null(strstr(error.text, "service web"));
	assert_true(edit_pool_remove(root, "same", true, &error) < 0);
	assert_non_null(strstr(error.text, "service same"));
	assert_int_equal(edit_service_add(root, "same", "0.0.0.0:84", "same", &error), 0);
	assert_int_equal(edit_pool_remove(root, "spare", false, &error), 0);
	assert_tree_has("spare", false);
	assert_true(edit_pool_remove(root, "own", false, &error) < 0);
	assert_non_null(strstr(error.text, "pool own: has workers"));
	assert_int_equal(edit_pool_remove(root, "own", true, &error), 0);
	assert_tree_has("worker", false);
}

static void services_get_addresses(void **state)
{
	(void)state;
	assert_int_equal(edit_service_add(root, "web", "[::]:80", NULL, &error), 0);
	assert_tree_has("service web { listen 0.0.0.0:80; pool web; listen [::]:80; }", true);
	assert_true(edit_service_add(root, "web", "[::]:81", "spare", &error) < 0);
	assert_int_equal(edit_service_add(root, "more", "0.0.0.0:81", "spare", &error), 0);
	assert_tree_has("service more { pool spare; listen 0.0.0.0:81; }", true);
	assert_int_equal(edit_service_remove(root, "more", &error), 0);
	assert_tree_has("more", false);
	assert_true(edit_service_remove(root, "more", &error) < 0);
	assert_non_null(strstr(error.text, "no such service"));
}

/* One that lbd adds by itself is not denied, nor is one made up that it does not add. */
static void an_implied_service_is_named(void **state)
{
	(void)state;
	for (int step = 0; step < 4; step++) {
		if (step == 1)
			edit_backend_add(root, "default", "127.0.0.1:1", NULL, NULL, NULL, &error);
		if (step == 2)
			edit_service_add(root, "more", "0.0.0.0:81", "default", &error);
		if (step == 3) {
			edit_service_remove(root, "more", &error);
			edit_backend_remove(root, "default", "127.0.0.1:1", &error);
		}
		assert_true(edit_service_remove(root, "default", &error) < 0);
		assert_non_null(strstr(error.text, step == 1 ? "goes with the last of them"
							     : "no such service"));
	}
}

#define TREE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(attach_changes_its_mode),
		TREE_TEST(backends_come_and_go),
		TREE_TEST(a_pool_goes_with_its_last_backend),
		TREE_TEST(the_head_of_a_file_stays),
		TREE_TEST(duplicates_are_seen),
		TREE_TEST(weight_is_a_word_of_the_backend),
		TREE_TEST(drain_is_a_word_of_the_backend),
		TREE_TEST(a_pool_in_use_stays),
		TREE_TEST(services_get_addresses),
		TREE_TEST(an_implied_service_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
