/* SPDX-License-Identifier: Apache-2.0 */
/* What a line of an environment_file means: each sentence of lbd.conf(5) about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/process/environment.h"

static char path[] = "/tmp/lbd-environment-XXXXXX";

static int read_text(const char *text, size_t length, struct environment *env, struct error *error)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fwrite(text, 1, length, file);
	fclose(file);
	return environment_read(env, path, geteuid(), error);
}

/* A text, and its variables, each before a newline. */
static const struct {
	const char *text, *vars;
} good[] = {
	/* the manual's example */
	{"# a comment\nPORT_BASE=8000\nexport NAME = John Smith\nKEY=\"two words  \"\n"
	 "PATH_TO='/srv/$HOME'\nEMPTY=\n",
	 "PORT_BASE=8000\nNAME=John Smith\nKEY=two words  \nPATH_TO=/srv/$HOME\nEMPTY=\n"},
	/* comments, what is empty, white space */
	{"", ""},
	{"\n \t\n#A=1\n  # A=2\n;A=3\n", ""},
	{"  A\t=  b  ", "A=b\n"},
	{"A=1\r\nB='2'\r\n", "A=1\nB=2\n"},
	{"A=1\nB=2", "A=1\nB=2\n"},
	/* export */
	{"export A=1\n", "A=1\n"},
	{"exported=1\nexport=2\n", "exported=1\nexport=2\n"},
	/* up to the end of the line */
	{"A=1 # no comment\nB=2; C=3\nD=a=b\n", "A=1 # no comment\nB=2; C=3\nD=a=b\n"},
	/* one pair of quotes around all of it */
	{"A=\"\"\nB=''\nC=\"'x'\"\nD='\"x\"'\n", "A=\nB=\nC='x'\nD=\"x\"\n"},
	{"A=a\"b\"\nB={\"c\": 'd'}\n", "A=a\"b\"\nB={\"c\": 'd'}\n"},
	{"A=\"b\" \"c\"\n", "A=b\" \"c\n"},
	/* nothing is expanded, nor continued */
	{"A=$B ${C} `d`\nE='\\n'\nF=g\\\nH=i\n", "A=$B ${C} `d`\nE=\\n\nF=g\\\nH=i\n"},
	/* the last one counts */
	{"A=1\nB=2\nA=3\n", "A=3\nB=2\n"},
};

static void what_is_written_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct environment env = {0};
		struct error error = {""};
		char vars[1024] = "";

		if (read_text(good[i].text, strlen(good[i].text), &env, &error))
			fail_msg("%s: %s", good[i].text, error.text);
		for (size_t j = 0; j < env.count; j++) {
			strcat(vars, env.vars[j]);
			strcat(vars, "\n");
		}
		assert_string_equal(vars, good[i].vars);
		environment_clear(&env);
	}
}

#define NO_PAIR "not NAME=value; write that, or # before a comment"
#define OPEN    "a quote begins the value and does not end it; a value is one line, and a comment has "
#define T(text) text, sizeof(text) - 1
#define SECRET  "hunter2"

/* The line that is named, and what is said of it; never what it holds. */
static const struct {
	const char *text;
	size_t length;
	unsigned line;
	const char *message;
} bad[] = {
	{T(SECRET "\n"), 1, NO_PAIR},
	{T("A=1\n\n=" SECRET "\n"), 3, NO_PAIR},
	{T("export\n"), 1, NO_PAIR},
	{T("A=1\nB " SECRET "=2\n"), 2, NO_PAIR},
	{T("\"A\"=" SECRET "\n"), 1, NO_PAIR},
	{T("A='b\n" SECRET "'\n"), 1, OPEN},
	{T("A=\"" SECRET "\" # a comment\n"), 1, OPEN},
	{T("A=\"" SECRET "'\n"), 1, OPEN},
	{T("# one\nA=\"\n"), 2, OPEN},
	{T("A=1\0" SECRET "\n"), 0, "holds a NUL; it must be text"},
};

static void what_is_refused_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct environment env = {0};
		struct error error = {""};
		char place[64];

		assert_true(read_text(bad[i].text, bad[i].length, &env, &error) < 0);
		snprintf(place, sizeof(place),
			 bad[i].line ? "%s:%u: " : "environment_file %s: ", path, bad[i].line);
		if (!strstr(error.text, place) || !strstr(error.text, bad[i].message) ||
		    strstr(error.text, SECRET))
			fail_msg("%s: %s", bad[i].text, error.text);
		environment_clear(&env);
	}
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_refused_is_named),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
