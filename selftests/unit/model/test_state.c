/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/state.h"

/* Lives of backends: where each event leads, from the state that the row before left. */
static void lives(void **unused)
{
	static const struct {
		const char *name;
		enum state from;
		enum state_event event;
		enum state to;
	} rows[] = {
		{"started", STATE_STOPPED, EVENT_START, STATE_STARTING},
		{"ready", STATE_STARTING, EVENT_READY, STATE_UP},
		{"listener lost", STATE_UP, EVENT_LOST, STATE_DOWN},
		{"late, for its check alone", STATE_STARTING, EVENT_LOST, STATE_DOWN},
		{"and back", STATE_DOWN, EVENT_READY, STATE_UP},
		{"crash", STATE_UP, EVENT_EXIT, STATE_BACKOFF},
		{"crash while down", STATE_DOWN, EVENT_EXIT, STATE_BACKOFF},
		{"crash before ready", STATE_STARTING, EVENT_EXIT, STATE_BACKOFF},
		{"again", STATE_BACKOFF, EVENT_RETRY, STATE_STARTING},
		{"cannot be spawned", STATE_BACKOFF, EVENT_EXIT, STATE_BACKOFF},
		{"too often", STATE_BACKOFF, EVENT_EXIT_FATAL, STATE_FATAL},
		{"by hand after that", STATE_FATAL, EVENT_START, STATE_STARTING},
		{"exit by policy", STATE_UP, EVENT_EXIT_KEPT, STATE_EXITED},
		{"start after that", STATE_EXITED, EVENT_START, STATE_STARTING},
		{"drain", STATE_UP, EVENT_DRAIN, STATE_DRAINING},
		{"drain one that is down", STATE_DOWN, EVENT_DRAIN, STATE_DRAINING},
		{"empty", STATE_DRAINING, EVENT_EMPTY, STATE_DRAINED},
		{"undrain early", STATE_DRAINING, EVENT_UNDRAIN, STATE_DOWN},
		{"undrain", STATE_DRAINED, EVENT_UNDRAIN, STATE_DOWN},
		{"stop once drained", STATE_DRAINED, EVENT_STOP, STATE_STOPPING},
		{"exit as told", STATE_STOPPING, EVENT_EXIT, STATE_STOPPED},
		{"exit as told, by policy", STATE_STOPPING, EVENT_EXIT_KEPT, STATE_STOPPED},
		{"stop instead of retry", STATE_BACKOFF, EVENT_STOP, STATE_STOPPED},
		{"no choice while draining", STATE_DRAINING, EVENT_READY, STATE_NONE},
		{"no choice when drained", STATE_DRAINED, EVENT_READY, STATE_NONE},
		{"nothing listens any more", STATE_STOPPING, EVENT_LOST, STATE_NONE},
		{"twice started", STATE_UP, EVENT_START, STATE_NONE},
		{"not draining", STATE_UP, EVENT_EMPTY, STATE_NONE},
		{"a late timer", STATE_UP, EVENT_RETRY, STATE_NONE},
		{"ready without a process", STATE_STOPPED, EVENT_READY, STATE_NONE},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (state_next(rows[i].from, rows[i].event) != rows[i].to)
			fail_msg("%s: %s, not %s", rows[i].name,
				 state_name(state_next(rows[i].from, rows[i].event)),
				 state_name(rows[i].to));
}

/* Whatever happens in whatever state: a process that exits leaves no state that claims to have one. */
static void exits_leave_no_process(void **unused)
{
	static const enum state_event exits[] = {EVENT_EXIT, EVENT_EXIT_KEPT, EVENT_EXIT_FATAL};

	(void)unused;
	for (int state = STATE_STOPPED; state < STATE_COUNT; state++)
		for (size_t i = 0; i < sizeof(exits) / sizeof(*exits); i++)
			if (state_has_process(state)) {
				enum state next = state_next(state, exits[i]);

				assert_int_not_equal(next, STATE_NONE);
				assert_false(state_has_process(next));
			}
}

static void every_state_has_a_name(void **unused)
{
	(void)unused;
	for (int state = 0; state < STATE_COUNT; state++)
		assert_non_null(state_name(state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives),
		cmocka_unit_test(exits_leave_no_process),
		cmocka_unit_test(every_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
