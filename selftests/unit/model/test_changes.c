/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/changes.h"

static struct changes changes;
static char heard[256];
static char first, second; /* to have addresses */
static struct backend *const one = (struct backend *)&first;
static struct backend *const two = (struct backend *)&second;

/* As backend_event() does: what the new state means may change it again before this one is told. */
static void change(struct backend *backend, enum state from, enum state to, void (*entered)(void))
{
	changes_hold(&changes);
	changes_add(&changes, backend, from, to);
	if (entered)
		entered();
	changes_release(&changes);
}

static void hear(void *arg, struct backend *backend, enum state from, enum state to)
{
	size_t used = strlen(heard);

	(void)arg;
	snprintf(heard + used, sizeof(heard) - used, "%s%c %s-%s", used ? ", " : "",
		 backend == one ? '1' : '2', state_name(from), state_name(to));
	/* A follower that acts at once. */
	if (to == STATE_UP)
		change(two, STATE_UP, STATE_DRAINING, NULL);
	if (backend == one && to == STATE_EXITED)
		changes_forget(&changes, two);
}

static int set_up(void **unused)
{
	(void)unused;
	changes = (struct changes){.tell = hear};
	heard[0] = 0;
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	changes_clear(&changes);
	return 0;
}

static void stop(void)
{
	change(one, STATE_DRAINED, STATE_STOPPING, NULL);
}

static void drained(void)
{
	change(one, STATE_DRAINING, STATE_DRAINED, stop);
}

static void nested_comes_after(void **unused)
{
	(void)unused;
	change(one, STATE_UP, STATE_DRAINING, drained);
	assert_string_equal(heard, "1 up-draining, 1 draining-drained, 1 drained-stopping");
}

static void a_followers_comes_after(void **unused)
{
	(void)unused;
	changes_hold(&changes);
	change(one, STATE_STARTING, STATE_UP, NULL);
	change(one, STATE_UP, STATE_DOWN, NULL);
	assert_string_equal(heard, "");
	changes_release(&changes);
	assert_string_equal(heard, "1 starting-up, 1 up-down, 2 up-draining");
	change(one, STATE_DOWN, STATE_BACKOFF, NULL);
	assert_non_null(strstr(heard, ", 1 down-backoff"));
}

static void forgotten_is_not_told(void **unused)
{
	(void)unused;
	changes_hold(&changes);
	change(one, STATE_UP, STATE_EXITED, NULL);
	change(two, STATE_UP, STATE_DOWN, NULL);
	for (int i = 0; i < 100; i++)
		change(one, STATE_UP, STATE_DOWN, NULL);
	changes_forget(&changes, two);
	changes_forget(&changes, one);
	change(two, STATE_DOWN, STATE_BACKOFF, NULL);
	change(one, STATE_UP, STATE_EXITED, NULL);
	change(two, STATE_BACKOFF, STATE_STARTING, NULL); /* forgotten while others are told */
	changes_release(&changes);
	assert_string_equal(heard, "2 down-backoff, 1 up-exited");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nested_comes_after, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_followers_comes_after, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forgotten_is_not_told, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
