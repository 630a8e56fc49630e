/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/block.h"

static char *print(const struct block *root)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	block_print(root, out);
	fclose(out);
	return text;
}

/* Text, and what it is printed as, which must print the same again. */
static const struct {
	const char *text, *printed;
} good[] = {
	{"", ""},
	{" \n\t\r\n", ""},
	{"\xef\xbb\xbf"
	 "a;",
	 "a;\n"},
	{"a;", "a;\n"},
	{"a b  c\td\n e;", "a b c d e;\n"},
	{"a{}", "a {\n}\n"},
	{"a { b; }", "a {\n\tb;\n}\n"},
	{"a{b{c;}d;}", "a {\n\tb {\n\t\tc;\n\t}\n\td;\n}\n"},
	{"a; b { } c;", "a;\n\nb {\n}\n\nc;\n"},
	{"a \"\";", "a \"\";\n"},
	{"a \"b c\";", "a \"b c\";\n"},
	{"a 'b \"c\"';", "a \"b \\\"c\\\"\";\n"},
	{"a \"b\\n\\t\\\\\\\"\\'\";", "a \"b\\n\\t\\\\\\\"'\";\n"},
	{"a \"\\.css\\d\";", "a \\.css\\d;\n"},
	{"a \\.css$ x#y;", "a \\.css$ x#y;\n"},
	{"a \"#x\";", "a \"#x\";\n"},
	{"a \"b\nc\";", "a \"b\\nc\";\n"},
	{"a ${b}c $ENV{D}/e;", "a \"${b}c\" \"$ENV{D}/e\";\n"},
	{"if ($x = \"y\") { z; }", "if ($x = y ) {\n\tz;\n}\n"},
	{"# one\n# two\na; # three\n# four\nb; # five\n# six\n",
	 "# one\n# two\n# three\na;\n# four\n# five\nb;\n# six\n"},
	{"a { # one\n b; # two\n # three\n } # four\n",
	 "# one\n# four\na {\n\t# two\n\tb;\n\t# three\n}\n"},
	{"a#b c;", "a#b c;\n"},
	{"\xc3\xa9t\xc3\xa9;", "\xc3\xa9t\xc3\xa9;\n"},
};

static void what_is_read_is_printed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct block *root = NULL, *again = NULL;
		struct error error = {""};
		char *once, *twice;

		if (block_parse("t", good[i].text, strlen(good[i].text), &root, &error))
			fail_msg("%s: %s", good[i].text, error.text);
		once = print(root);
		assert_string_equal(once, good[i].printed);
		assert_int_equal(block_parse("t", once, strlen(once), &again, &error), 0);
		twice = print(again);
		assert_string_equal(twice, once);
		block_free(root);
		block_free(again);
		free(once);
		free(twice);
	}
}

/* Text, and the whole message. */
static const struct {
	const char *text, *message;
} bad[] = {
	{";", "t:1:1: found ; without a directive before it"},
	{"a;\n {", "t:2:2: found { without a directive before it"},
	{"a;;", "t:1:3: found ; without a directive before it"},
	{"}", "t:1:1: found } that closes nothing"},
	{"a { } }", "t:1:7: found } that closes nothing"},
	{"a { b }", "t:1:7: found } after \"b\"; end the directive with ;"},
	{"\n  a b", "t:2:3: found the end of the file after \"a\"; end the directive with ; or {"},
	{"a {\n b;", "t:1:1: found the end of the file inside \"a\"; close it with }"},
	{"a \"b;", "t:1:3: found a quote that is never closed; end it with another \""},
	{"a 'b\\';", "t:1:3: found a quote that is never closed; end it with another '"},
	{"a \"b\"c;",
	 "t:1:6: found text right after a closing quote; white space, ; or { is allowed"},
	{"a b\"c\";", "t:1:4: found a quote inside a word; quote the whole word"},
	{"\xc3\xa9 b\"c\";", "t:1:4: found a quote inside a word; quote the whole word"},
};

static void mistakes_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct block *root = NULL;
		struct error error = {""};

		assert_int_equal(block_parse("t", bad[i].text, strlen(bad[i].text), &root, &error),
				 -EINVAL);
		assert_string_equal(error.text, bad[i].message);
		assert_null(root);
	}
}

static void nul_bytes_are_refused(void **state)
{
	static const char *const texts[] = {"a \0;", "a b\0c;", "a \"\0\";", "# \0\n;", "\0;"};
	static const size_t lengths[] = {4, 6, 6, 6, 2};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct block *root;
		struct error error = {""};

		assert_int_equal(block_parse("t", texts[i], lengths[i], &root, &error), -EINVAL);
		assert_non_null(strstr(error.text, "NUL"));
	}
}

/* count times what, then the end. */
static char *repeat(const char *before, const char *what, size_t count, const char *after)
{
	char *text = malloc(strlen(before) + strlen(what) * count + strlen(after) + 1), *end;

	end = stpcpy(text, before);
	while (count-- > 0)
		end = stpcpy(end, what);
	strcpy(end, after);
	return text;
}

static const struct {
	const char *before, *what;
	size_t count;
	const char *after, *message; /* NULL: allowed */
} limits[] = {
	{"", "a{", 16, "}}}}}}}}}}}}}}}}", NULL},
	{"", "a{", 17, "}}}}}}}}}}}}}}}}}", "t:1:33: found blocks nested more than 16 deep"},
	{"a ", "x", 65536, ";", NULL},
	{"a ", "x", 65537, ";", "found a word of more than 65536 bytes"},
	{"a \"", "x", 65537, "\";", "found a word of more than 65536 bytes"},
	{"", "a ", 4096, ";", NULL},
	{"", "a ", 4097, ";", "found a directive of more than 4096 words"},
};

static void limits_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		char *text =
			repeat(limits[i].before, limits[i].what, limits[i].count, limits[i].after);
		struct block *root = NULL;
		struct error error = {""};
		int code = block_parse("t", text, strlen(text), &root, &error);

		assert_int_equal(code, limits[i].message ? -EINVAL : 0);
		if (limits[i].message && !strstr(error.text, limits[i].message))
			fail_msg("%s", error.text);
		block_free(root);
		free(text);
	}
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_clone_is_edited(void **state)
{
	static const char text[] = "pool web { backend 1:1; backend 2:2 weight 3; } x;";
	struct block *root, *copy, *pool;
	struct error error;
	char *printed;

	(void)state;
	assert_int_equal(block_parse("t", text, strlen(text), &root, &error), 0);
	copy = block_clone(root);
	block_free(root);
	assert_null(block_find(copy, WORDS("pool", "other")));
	assert_null(block_find(copy, WORDS("pool", "web", "more")));
	pool = block_find(copy, WORDS("pool", "web"));
	assert_int_equal(pool->line, 1);
	assert_string_equal(pool->file, "t");
	assert_non_null(block_append(pool, false, WORDS("backend", "3:3", "a b")));
	block_remove(pool, block_find(pool, WORDS("backend", "2:2")));
	assert_int_equal(block_set_words(pool->first, WORDS("backend", "1:1", "drain")), 0);
	block_remove(copy, block_find(copy, WORDS("x")));
	assert_non_null(block_append(copy, true, WORDS("y")));
	printed = print(copy);
	assert_string_equal(printed, "pool web {\n\tbackend 1:1 drain;\n\tbackend 3:3 \"a b\";\n}\n"
				     "\ny {\n}\n");
	free(printed);
	block_remove(copy, copy->first);
	block_remove(copy, copy->first);
	assert_null(copy->first);
	assert_null(copy->last);
	block_free(copy);
	block_free(NULL);
}

static void an_appended_one_has_no_place(void **state)
{
	struct block *root, *child;
	struct error error;

	(void)state;
	assert_int_equal(block_parse("t", "", 0, &root, &error), 0);
	child = block_append(root, false, WORDS("a"));
	assert_int_equal(block_error(child, &error, -EINVAL, "found %d", 3), -EINVAL);
	assert_string_equal(error.text, "found 3");
	block_free(root);
}

static char directory[] = "/tmp/test_block.XXXXXX";

static const char *write_file(const char *name, const char *text)
{
	static char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	out = fopen(path, "w");
	fputs(text, out);
	fclose(out);
	return path;
}

/* Main file, and what is printed with its includes, or what the message must hold. */
static const struct {
	const char *text, *printed, *message;
} includes[] = {
	{"a; include d/*.conf; b { include 1; }", "a;\none;\ntwo;\n\nb {\n\tx;\n}\n", NULL},
	{"include d/none*; a;", "a;\n", NULL},
	{"include d/none.conf;", NULL, "main:1:1: include "},
	{"a;\ninclude;", NULL, "main:2:1: include wants one"},
	{"include a b;", NULL, "include wants one"},
	{"include x {}", NULL, "include wants one"},
	{"include main;", NULL, "nests more than 8 deep"},
	{"a; include bad; c;", NULL, "bad:1:1: found }"},
	{"include d;", NULL, "directory"},
	{"include none/*;", NULL, "cannot be read"},
};

static void includes_are_followed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(includes) / sizeof(*includes); i++) {
		const char *path = write_file("main", includes[i].text);
		struct error error = {""};
		struct block *root = NULL;
		int code;

		assert_int_equal(block_parse_file(path, &root, &error), 0);
		code = block_include(root, &error);
		if (includes[i].printed) {
			char *printed = print(root);

			if (code)
				fail_msg("%s", error.text);
			assert_string_equal(printed, includes[i].printed);
			free(printed);
		} else {
			assert_true(code < 0);
			if (!strstr(error.text, includes[i].message))
				fail_msg("%s: %s", includes[i].text, error.text);
		}
		block_free(root);
	}
}

static void files_that_cannot_be_read(void **state)
{
	struct block *root;
	struct error error;

	(void)state;
	assert_int_equal(block_parse_file("/nonexistent", &root, &error), -ENOENT);
	assert_string_equal(error.text, "/nonexistent: No such file or directory");
	assert_int_equal(block_parse_file("/", &root, &error), -EISDIR);
	assert_int_equal(block_parse_file("/dev/zero", &root, &error), -EFBIG);
}

static int make_files(void **state)
{
	char path[128];

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/d", directory);
	if (mkdir(path, 0700))
		return -1;
	write_file("d/2.conf", "two;");
	write_file("d/1.conf", "one;");
	write_file("1", "x;");
	write_file("bad", "}");
	return 0;
}

static int remove_files(void **state)
{
	static const char *const names[] = {"d/1.conf", "d/2.conf", "1", "bad", "main"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/d", directory);
	return rmdir(path) || rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_is_printed),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(a_clone_is_edited),
		cmocka_unit_test(an_appended_one_has_no_place),
		cmocka_unit_test(includes_are_followed),
		cmocka_unit_test(files_that_cannot_be_read),
	};

	return cmocka_run_group_tests_name("block", tests, make_files, remove_files);
}
