/* SPDX-License-Identifier: Apache-2.0 */
/* lbd's own log, and the end of a file. */
#include "unit/worker_lab.h"

#include <fcntl.h>
#include <regex.h>

#include "base/log.h"
#include "base/tail.h"

static void path_of(const struct lab *lab, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", lab->dir, name);
}

static bool matches(const char *path, const char *pattern)
{
	char *text = tail_lines(path, 100, geteuid(), NULL, &(size_t){0});
	regex_t regex;
	bool found;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	found = !regexec(&regex, text ? text : "", 0, NULL, 0);
	if (!found)
		print_error("%s: \"%s\" is not %s\n", path, text ? text : "", pattern);
	regfree(&regex);
	free(text);
	return found;
}

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}[+-][0-9]{4} "

static void test_lines(void **state)
{
	char path[128], moved[128];
	struct lab lab;

	(void)state;
	lab_open(&lab, false);
	path_of(&lab, "own", path);
	path_of(&lab, "moved", moved);
	assert_int_equal(log_open(path, 0, 0, &lab.error), 0);
	log_info("one %d", 1);
	log_warning("two\nlines\tand a %s", "\033[1m \302\233 \233 \342\200\256 \303\244");
	log_error("three");
	log_debug("not said");
	assert_true(matches(path, "^" STAMP "info one 1\n" STAMP
				  "warning two lines and a \\?\\[1m \\? \\? \\? \303\244\n" STAMP
				  "error three\n$"));
	/* Moved away by somebody else, then told to open anew. */
	assert_int_equal(rename(path, moved), 0);
	log_info("to the old one");
	assert_int_equal(log_reopen(&lab.error), 0);
	log_info("to the new one");
	assert_true(matches(moved, "to the old one\n$"));
	assert_true(matches(path, "^" STAMP "info to the new one\n$"));
	/* On failure it stays where it is. */
	assert_int_equal(log_open("/no/such/dir/log", 0, 0, &lab.error), -ENOENT);
	assert_non_null(strstr(lab.error.text, "log /no/such/dir/log: No such file"));
	log_info("still here");
	assert_true(matches(path, "still here\n$"));
	log_open(NULL, 0, 0, &lab.error);
	lab_close(&lab);
}

static void test_long_line(void **state)
{
	char path[128], long_text[5000], *text;
	struct lab lab;

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = 0;
	lab_open(&lab, false);
	path_of(&lab, "own", path);
	assert_int_equal(log_open(path, 0, 0, &lab.error), 0);
	log_info("%s", long_text);
	log_info("next");
	text = tail_lines(path, 2, geteuid(), NULL, &(size_t){0});
	assert_non_null(strstr(text, "xxx\n"));
	assert_non_null(strstr(text, "info next\n"));
	free(text);
	log_open(NULL, 0, 0, &lab.error);
	lab_close(&lab);
}

static void test_rotation(void **state)
{
	char path[128], name[160];
	struct lab lab;
	struct stat st;

	(void)state;
	lab_open(&lab, false);
	path_of(&lab, "own", path);
	assert_int_equal(log_open(path, 1000, 2, &lab.error), 0);
	for (int i = 0; i < 100; i++)
		log_info("line %d", i);
	log_open(NULL, 0, 0, &lab.error);
	assert_true(matches(path, "line 99\n$"));
	for (int i = 0; i <= 2; i++) {
		snprintf(name, sizeof(name), i ? "%s.%d" : "%s", path, i);
		assert_int_equal(stat(name, &st), 0);
		assert_true(st.st_size < 1100);
	}
	snprintf(name, sizeof(name), "%s.3", path);
	assert_int_equal(access(name, F_OK), -1);
	lab_close(&lab);
}

struct tailed {
	const char *name, *text;
	unsigned lines;
	const char *tail;
};

static const struct tailed tailed[] = {
	{"empty", "", 3, NULL},
	{"fewer than asked", "a\nb\n", 3, "a\nb\n"},
	{"as many", "a\nb\nc\n", 3, "a\nb\nc\n"},
	{"more", "a\nb\nc\nd\n", 2, "c\nd\n"},
	{"unfinished", "a\nb\nc", 2, "b\nc"},
	{"one line", "a\nb\nc\n", 1, "c\n"},
	{"empty lines", "a\n\n\n", 2, "\n\n"},
	{"just an end", "\n", 1, "\n"},
};

static void test_tailed(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, false);
	for (size_t i = 0; i < sizeof(tailed) / sizeof(*tailed); i++) {
		char path[128], *tail;
		FILE *file;

		path_of(&lab, "text", path);
		file = fopen(path, "we");
		assert_non_null(file);
		fputs(tailed[i].text, file);
		fclose(file);
		tail = tail_lines(path, tailed[i].lines, geteuid(), NULL, &(size_t){0});
		if (!tail != !tailed[i].tail || (tail && strcmp(tail, tailed[i].tail)))
			fail_msg("%s: \"%s\"", tailed[i].name, tail ? tail : "(none)");
		free(tail);
	}
	assert_null(tail_lines("/no/such/file", 1, geteuid(), NULL, &(size_t){0}));
	assert_null(tail_lines("/tmp", 1, geteuid(), NULL, &(size_t){0}));
	lab_close(&lab);
}

/* A line cut by the start of what is read is left out. */
static void test_tail_of_much(void **state)
{
	char path[128], *tail;
	struct lab lab;
	FILE *file;

	(void)state;
	lab_open(&lab, false);
	path_of(&lab, "text", path);
	file = fopen(path, "we");
	assert_non_null(file);
	for (int i = 0; i < 5000; i++)
		fprintf(file, "line %d\n", i);
	fclose(file);
	tail = tail_lines(path, 100000, geteuid(), NULL, &(size_t){0});
	assert_non_null(tail);
	assert_int_equal(strncmp(tail, "line ", 5), 0);
	assert_non_null(strstr(tail, "line 4999\n"));
	free(tail);
	lab_close(&lab);
}

static size_t fill(int fd)
{
	size_t bytes = 0;
	ssize_t n;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while ((n = write(fd, "xxxxxxxxxxxxxxx\n", 16)) > 0)
		bytes += (size_t)n;
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	return bytes;
}

/* Standard error that nobody reads holds nobody, and says afterwards what it has not. */
static void test_nobody_reads(void **state)
{
	int ends[2], before = dup(STDERR_FILENO);
	static char text[1 << 20];
	size_t full, n;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	full = fill(ends[1]);
	dup2(ends[1], STDERR_FILENO);
	alarm(60);
	log_info("lost");
	log_info("lost, too");
	for (n = 0; n < full;)
		n += (size_t)read(ends[0], text,
				  sizeof(text) - 1 < full - n ? sizeof(text) - 1 : full - n);
	log_info("heard");
	alarm(0);
	dup2(before, STDERR_FILENO);
	n = (size_t)read(ends[0], text, sizeof(text) - 1);
	text[n] = '\0';
	assert_string_equal(text, "2 lines are missing here: nobody read standard error\nheard\n");
	close(ends[0]);
	close(ends[1]);
	close(before);
}

/* An argument names one test, with * and ?. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),        cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_rotation),     cmocka_unit_test(test_tailed),
		cmocka_unit_test(test_tail_of_much), cmocka_unit_test(test_nobody_reads),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
