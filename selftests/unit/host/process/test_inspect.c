/* SPDX-License-Identifier: Apache-2.0 */
/* What a look at a process's descriptors finds and costs: each table once, whatever threads share it. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/process/inspect.h"
#include "unit/descriptors.h"
#include "unit/own_netns.h"

enum {
	STACK = 16384,
	HIGH = 12000, /* a descriptor's number, in a table with room for 16384 */
	ROOM = 16384,
	PLENTY = 1 << 30,
	OTHER_TABLES = 7, /* but the first thread's that are looked at */
};

/* A process whose first thread has a descriptor table of its own. */
static const struct row {
	const char *name;
	unsigned threads;     /* but the first */
	unsigned descriptors; /* in the table that they share, or in each of theirs */
	int high;             /* number of one that they had */
	enum { STAYS = 0, FIRST_ENDS = 1, EACH_ALONE = 2 } is;
	uint32_t left;
	unsigned found, looked_at; /* descriptors; threads, with the first */
	uint32_t empty;            /* slots that are to be looked at, at least */
} rows[] = {
	{"one thread", 1, 1500, 0, STAYS, PLENTY, 1500, 2, 0},
	{"64 with one table", 64, 1500, 0, STAYS, PLENTY, 1500, 65, 0},
	{"64, and the first has ended", 64, 1500, 0, FIRST_ENDS, PLENTY, 1500, 65, 0},
	{"64 with one table, its room", 64, 3, HIGH, STAYS, PLENTY, 3, 65, HIGH},
	{"64 with a table each", 64, 3, 0, EACH_ALONE, PLENTY, OTHER_TABLES * 3, OTHER_TABLES + 1,
	 0},
	{"more than are looked at", LB_THREADS + 50, 3, 0, STAYS, PLENTY, 3, LB_THREADS, 0},
};

static void prepare(void)
{
	need_privilege();
	need_descriptors(HIGH + 1);
	assert_int_equal(inspect_load(), 0);
}

static const struct row *made; /* in its process */
static int ready;              /* there: to be written to */
static sem_t may_fill, is_filled;
static pthread_t first;

static void fill(void)
{
	int null;

	syscall(SYS_close_range, 0, ready - 1, 0);
	syscall(SYS_close_range, ready + 1, ~0U, 0);
	null = open("/dev/null", O_RDONLY);
	for (unsigned i = 2; i < made->descriptors; i++)
		if (dup(null) < 0)
			_exit(1);
	if (made->high && close(dup2(null, made->high)))
		_exit(1);
}

static void *stay(void *fills)
{
	sem_wait(&may_fill);
	if (made->is == EACH_ALONE && unshare(CLONE_FILES))
		_exit(1);
	if (made->is == EACH_ALONE || fills)
		fill();
	sem_post(&is_filled);
	if (fills && made->is == FIRST_ENDS &&
	    (pthread_join(first, NULL) || write(ready, "", 1) != 1))
		_exit(1);
	for (;;)
		pause();
	return NULL;
}

static void start_threads(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	first = pthread_self();
	sem_init(&may_fill, 0, 0);
	sem_init(&is_filled, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	for (unsigned i = 0; i < made->threads; i++)
		if (pthread_create(&thread, &attributes, stay, i ? NULL : &first))
			_exit(1);
}

static _Noreturn void be_process(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	start_threads();
	if (unshare(CLONE_FILES))
		_exit(1);
	for (unsigned i = 0; i < made->threads; i++)
		sem_post(&may_fill);
	for (unsigned i = 0; i < made->threads; i++)
		sem_wait(&is_filled);
	if (made->is == FIRST_ENDS)
		syscall(SYS_exit, 0);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static pid_t make(const struct row *row)
{
	int pipes[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		made = row;
		ready = pipes[1];
		be_process();
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	return pid;
}

struct seen {
	pid_t pid;
	unsigned in_first, in_others, most;
};

static bool count(void *arg, pid_t thread, const struct lb_descriptor *descriptor)
{
	struct seen *seen = arg;

	(void)descriptor;
	*(thread == seen->pid ? &seen->in_first : &seen->in_others) += 1;
	return seen->in_first + seen->in_others != seen->most;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_rows(void **state)
{
	(void)state;
	prepare();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		struct seen seen = {.pid = make(row)};
		uint32_t left = PLENTY, seen_cost, spent;

		print_message("%s\n", row->name);
		assert_int_equal(inspect_each_descriptor(seen.pid, &left, count, &seen), 1);
		assert_int_equal(seen.in_others, row->found);
		spent = PLENTY - left;
		seen_cost = (seen.in_first + seen.in_others + row->looked_at) * INSPECT_DESCRIPTOR;
		assert_in_range(spent, seen_cost + row->empty, seen_cost + row->empty + ROOM);
		end(seen.pid);
	}
}

/* What is left is a bound, but for the end of the table in which that was so. */
static void test_left(void **state)
{
	static const struct row many = {.threads = 64, .descriptors = 1500},
				roomy = {.threads = 64, .high = HIGH, .is = EACH_ALONE};
	uint32_t left = 1000 * INSPECT_DESCRIPTOR;
	struct seen seen;

	(void)state;
	prepare();
	seen = (struct seen){.pid = make(&many)};
	assert_int_equal(inspect_each_descriptor(seen.pid, &left, count, &seen), 0);
	assert_int_equal(left, 0);
	assert_in_range(seen.in_first + seen.in_others, 900, 1000);
	end(seen.pid);

	left = 1000;
	seen = (struct seen){.pid = make(&roomy)};
	assert_int_equal(inspect_each_descriptor(seen.pid, &left, count, &seen), 0);
	assert_int_equal(left, 0);
	end(seen.pid);
}

static void test_ends(void **state)
{
	static const struct row row = {.threads = 1, .descriptors = 1500};
	uint32_t left = PLENTY;
	struct seen seen;

	(void)state;
	prepare();
	seen = (struct seen){.pid = make(&row), .most = 2};
	assert_int_equal(inspect_each_descriptor(seen.pid, &left, count, &seen), 0);
	assert_int_equal(seen.in_first + seen.in_others, 2);
	end(seen.pid);
	left = PLENTY;
	assert_int_equal(inspect_each_descriptor(seen.pid, &left, count, &seen),
			 1); /* it is gone */
	assert_int_equal(left, PLENTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_ends),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
