/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "model/turn.h"
#include "worker/worker.h"

enum { MOST = 4, NOBODY = -1 };

/* Of a worker no more is asked here. */
pid_t worker_pid(const struct worker *worker)
{
	(void)worker;
	return 7;
}

struct member {
	enum state state; /* STATE_NONE: there are no more */
	enum turn turn;
	enum backend_goal goal;
	unsigned failures;
	bool was_ready, has_no_port, is_ended;
};

static struct model model;
static struct pool pool;
static struct backend backends[MOST], *list[MOST];

static void make(const struct member *members)
{
	pool = (struct pool){.model = &model, .backends = list};
	for (; pool.count < MOST && members[pool.count].state; pool.count++) {
		const struct member *member = &members[pool.count];

		list[pool.count] = &backends[pool.count];
		backends[pool.count] = (struct backend){.model = &model,
							.pool = &pool,
							.state = member->state,
							.turn = member->turn,
							.goal = member->goal,
							.failures = member->failures,
							.ready_us = member->was_ready,
							.port_held_us = member->has_no_port,
							.ends_for = {member->is_ended ? '!' : 0}};
	}
}

static void who_is_next(void **unused)
{
	static const struct {
		const char *name;
		struct member members[MOST];
		int next;
		size_t due;
	} rows[] = {
		{"nobody is due", {{.state = STATE_UP}, {.state = STATE_UP}}, NOBODY, 0},
		{"the first of two",
		 {{.state = STATE_UP, .turn = TURN_DUE}, {.state = STATE_UP, .turn = TURN_DUE}},
		 0,
		 2},
		{"who serves nobody",
		 {{.state = STATE_UP, .turn = TURN_DUE}, {.state = STATE_FATAL, .turn = TURN_DUE}},
		 1,
		 2},
		{"not the last that is up",
		 {{.state = STATE_UP, .turn = TURN_DUE}, {.state = STATE_STARTING}},
		 NOBODY,
		 1},
		{"by force",
		 {{.state = STATE_UP, .turn = TURN_FORCED}, {.state = STATE_STARTING}},
		 0,
		 1},
		{"the only one", {{.state = STATE_UP, .turn = TURN_DUE}}, 0, 1},
		{"not who has its turn",
		 {{.state = STATE_DOWN, .turn = TURN_NOW}, {.state = STATE_UP, .turn = TURN_DUE}},
		 NOBODY,
		 1},
		{"beside that",
		 {{.state = STATE_DOWN, .turn = TURN_NOW},
		  {.state = STATE_UP, .turn = TURN_DUE},
		  {.state = STATE_UP}},
		 1,
		 1},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct backend *next;

		make(rows[i].members);
		next = turn_next(&pool);
		if (next != (rows[i].next == NOBODY ? NULL : list[rows[i].next]))
			fail_msg("%s: it is %d", rows[i].name, next ? (int)(next - backends) : -1);
		if (turn_count_due(&pool) != rows[i].due)
			fail_msg("%s: %zu are due", rows[i].name, turn_count_due(&pool));
	}
}

static void who_is_on_its_way(void **unused)
{
	static const struct {
		const char *name;
		struct member member;
		bool is_on_its_way;
	} rows[] = {
		{"up", {.state = STATE_UP}, false},
		{"down", {.state = STATE_DOWN}, false},
		{"starting", {.state = STATE_STARTING}, true},
		{"drains to be restarted", {.state = STATE_DRAINING, .goal = GOAL_RESTART}, true},
		{"drains", {.state = STATE_DRAINING, .goal = GOAL_DRAIN}, false},
		{"is being ended", {.state = STATE_UP, .is_ended = true}, true},
		{"failed once", {.state = STATE_BACKOFF, .failures = 1}, true},
		{"served, and fails",
		 {.state = STATE_BACKOFF, .failures = 5, .was_ready = true},
		 true},
		{"fails for ever, perhaps", {.state = STATE_BACKOFF, .failures = 2}, false},
		{"waits for its port", {.state = STATE_BACKOFF, .has_no_port = true}, false},
		{"given up", {.state = STATE_FATAL}, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		make((const struct member[MOST]){{.state = STATE_UP}, rows[i].member});
		if (turn_on_its_way(&pool) != rows[i].is_on_its_way)
			fail_msg("%s", rows[i].name);
	}
}

static void whom_a_pool_can_spare(void **unused)
{
	static const struct {
		const char *name;
		struct member members[MOST];
		bool spares;
	} rows[] = {
		{"another is up", {{.state = STATE_UP}, {.state = STATE_UP}}, true},
		{"no other is up",
		 {{.state = STATE_UP}, {.state = STATE_DOWN}, {.state = STATE_STARTING}},
		 false},
		{"it has no other", {{.state = STATE_UP}}, true},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		make(rows[i].members);
		if (turn_spares(list[0]) != rows[i].spares)
			fail_msg("%s", rows[i].name);
	}
}

static void a_turn_that_has_begun_is_kept(void **unused)
{
	(void)unused;
	make((const struct member[MOST]){{.state = STATE_UP},
					 {.state = STATE_UP, .turn = TURN_NOW}});
	turn_give(list[0], TURN_FORCED);
	turn_give(list[1], TURN_DUE);
	assert_int_equal(list[0]->turn, TURN_FORCED);
	assert_int_equal(list[0]->turn_pid, 7);
	assert_int_equal(list[1]->turn, TURN_NOW);
	turn_clear(&pool);
	assert_int_equal(turn_count(&pool, TURN_NONE), 2);
}

static void words(void **unused)
{
	(void)unused;
	for (enum turn turn = TURN_NONE; turn <= TURN_NOW; turn++)
		assert_int_equal(turn_find(turn_name(turn)), turn);
	assert_int_equal(turn_find("later"), TURN_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_next),
		cmocka_unit_test(who_is_on_its_way),
		cmocka_unit_test(whom_a_pool_can_spare),
		cmocka_unit_test(a_turn_that_has_begun_is_kept),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
