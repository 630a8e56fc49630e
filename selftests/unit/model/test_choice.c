/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "model/all_down.h"
#include "model/choice.h"
#include "model/model.h"
#include "model/readiness.h"
#include "worker/worker.h"

enum {
	WORKER = 1U << 0,
	INHERITS = 1U << 1,
	NOTIFIES = 1U << 2, /* READY=1 is asked for */
	RUNS = 1U << 3,
	SAID_READY = 1U << 4,
	CHECKED = 1U << 5,
	PASSES = 1U << 6,
	FAILS = 1U << 7,
	LISTENS = 1U << 8,
	WAS_READY = 1U << 9,
	STUCK = 1U << 10,
	ACCEPTS = 1U << 11,
	IS_ENDED = 1U << 12,
	ALL_DOWN = 1U << 13,
	LBD_STOPS = 1U << 14,
	NO_POOL = 1U << 15,
	AWAITS = 1U << 16,
};

/* Of a worker no more is asked here. */
struct worker {
	bool runs;
};

bool worker_runs(const struct worker *worker)
{
	return worker->runs;
}

static struct conf_worker conf_worker;
static struct conf_pool conf;
static struct model model;
static struct pool pool;
static struct worker worker;

static struct backend make(enum state state, enum backend_goal goal, unsigned is)
{
	conf_worker =
		(struct conf_worker){.inherit = is & INHERITS,
				     .readiness = is & NOTIFIES ? READY_NOTIFY : READY_LISTENER};
	conf = (struct conf_pool){.worker = is & WORKER ? &conf_worker : NULL,
				  .health.kind = is & CHECKED ? HEALTH_TCP : HEALTH_NONE};
	model = (struct model){.stopping = is & LBD_STOPS};
	pool = (struct pool){.model = &model, .conf = &conf, .all_down = is & ALL_DOWN};
	worker = (struct worker){is & RUNS};
	return (struct backend){.model = &model,
				.pool = is & NO_POOL ? NULL : &pool,
				.worker = is & WORKER ? &worker : NULL,
				.state = state,
				.goal = goal,
				.listens = {is & LISTENS},
				.notified = is & SAID_READY,
				.check.passes = is & PASSES,
				.check.fails = is & FAILS,
				.ready_us = is & WAS_READY ? 1 : 0,
				.stuck.out = is & STUCK,
				.accepts.is_seen = is & ACCEPTS,
				.awaits = is & AWAITS,
				.ends_for = {is & IS_ENDED ? '!' : 0}};
}

static const struct {
	const char *name;
	enum state state;
	enum backend_goal goal;
	unsigned is;
	bool enabled, on_trial;
} choices[] = {
	{"up", STATE_UP, GOAL_RUN, LISTENS, true, false},
	{"up, about to drain", STATE_UP, GOAL_DRAIN, LISTENS, false, false},
	{"up, while lbd stops", STATE_UP, GOAL_RUN, LISTENS | LBD_STOPS, false, false},
	{"up, and being ended", STATE_UP, GOAL_RUN, WORKER | RUNS | IS_ENDED, false, false},
	{"of no pool any more", STATE_UP, GOAL_RUN, LISTENS | NO_POOL, false, false},
	{"the kernel sees it listen", STATE_DOWN, GOAL_RUN, 0, true, false},
	{"down, stuck", STATE_DOWN, GOAL_RUN, LISTENS | STUCK, false, false},
	{"down by its check", STATE_DOWN, GOAL_RUN, LISTENS | CHECKED | FAILS, false, false},
	{"all fail", STATE_DOWN, GOAL_RUN, LISTENS | CHECKED | FAILS | ALL_DOWN, true, false},
	{"all fail, worker", STATE_DOWN, GOAL_RUN,
	 WORKER | RUNS | WAS_READY | LISTENS | CHECKED | FAILS | ALL_DOWN, true, false},
	{"all fail, never ready", STATE_DOWN, GOAL_RUN,
	 WORKER | RUNS | LISTENS | CHECKED | FAILS | ALL_DOWN, false, false},
	{"all fail, no listener", STATE_DOWN, GOAL_RUN, CHECKED | FAILS | ALL_DOWN, false, false},
	{"all fail, stuck", STATE_DOWN, GOAL_RUN, LISTENS | CHECKED | FAILS | ALL_DOWN | STUCK,
	 false, false},
	{"all fail, waits for one that leaves", STATE_DOWN, GOAL_RUN,
	 LISTENS | CHECKED | FAILS | ALL_DOWN | AWAITS, false, false},
	{"all fail, not looked at yet", STATE_DOWN, GOAL_RUN, LISTENS | CHECKED | ALL_DOWN, false,
	 false},
	{"starting", STATE_STARTING, GOAL_RUN, WORKER | RUNS, true, false},
	{"starting, checked", STATE_STARTING, GOAL_RUN, WORKER | RUNS | CHECKED, false, false},
	{"has to say READY=1", STATE_STARTING, GOAL_RUN, WORKER | RUNS | NOTIFIES, false, false},
	{"inherits, and has no program yet", STATE_STARTING, GOAL_RUN, WORKER | INHERITS, false,
	 false},
	{"inherits, and runs", STATE_STARTING, GOAL_RUN, WORKER | INHERITS | RUNS, true, true},
	{"inherits, checked", STATE_STARTING, GOAL_RUN, WORKER | INHERITS | RUNS | CHECKED, false,
	 false},
	{"about to be tried again", STATE_BACKOFF, GOAL_RUN, WORKER, true, false},
	{"draining", STATE_DRAINING, GOAL_RUN, LISTENS, false, false},
	{"drained", STATE_DRAINED, GOAL_RUN, LISTENS, false, false},
	{"stopped", STATE_STOPPED, GOAL_RUN, WORKER, false, false},
	{"stopping", STATE_STOPPING, GOAL_RUN, WORKER | RUNS, false, false},
	{"exited", STATE_EXITED, GOAL_RUN, WORKER, false, false},
	{"given up", STATE_FATAL, GOAL_RUN, WORKER, false, false},
};

static void who_may_be_chosen(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		struct backend backend = make(choices[i].state, choices[i].goal, choices[i].is);

		if (choice_enabled(&backend) != choices[i].enabled)
			fail_msg("%s: %s", choices[i].name,
				 choices[i].enabled ? "not chosen" : "chosen");
		if (choice_on_trial(&backend) != choices[i].on_trial)
			fail_msg("%s: %s", choices[i].name,
				 choices[i].on_trial ? "no trial" : "trial");
	}
}

static void what_up_depends_on(void **unused)
{
	static const struct {
		const char *name;
		unsigned is;
		bool met;
	} rows[] = {
		{"listens", LISTENS, true},
		{"listens nowhere", 0, false},
		{"stuck", LISTENS | STUCK, false},
		{"being ended", LISTENS | WORKER | RUNS | IS_ENDED, false},
		{"worker", LISTENS | WORKER | RUNS, true},
		{"no program yet", LISTENS | WORKER, false},
		{"has not said READY=1", LISTENS | WORKER | RUNS | NOTIFIES, false},
		{"has said READY=1", LISTENS | WORKER | RUNS | NOTIFIES | SAID_READY, true},
		{"inherits", LISTENS | WORKER | RUNS | INHERITS, false},
		{"inherits, accepts", LISTENS | WORKER | RUNS | INHERITS | ACCEPTS, true},
		{"inherits, was ready", LISTENS | WORKER | RUNS | INHERITS | WAS_READY, true},
		{"inherits, passes", LISTENS | WORKER | RUNS | INHERITS | CHECKED | PASSES, true},
		{"not looked at yet", LISTENS | CHECKED, false},
		{"passes", LISTENS | CHECKED | PASSES, true},
		{"fails", LISTENS | CHECKED | FAILS, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct backend backend = make(STATE_DOWN, GOAL_RUN, rows[i].is);

		if (readiness_met(&backend) != rows[i].met)
			fail_msg("%s: %s", rows[i].name, rows[i].met ? "not ready" : "ready");
	}
}

static void slow_start(void **unused)
{
	static const struct {
		const char *name;
		unsigned weight, slow_start_ms, up_ms, in_scale;
		uint64_t step_us;
	} rows[] = {
		{"none", 1, 0, 1, 16, UINT64_MAX},
		{"none, heavier", 3, 0, 1, 48, UINT64_MAX},
		{"not up", 11, 100000, 0, 16, 10000000},
		{"just up", 11, 100000, 1, 16, 10000000},
		{"half", 11, 100000, 55000, 96, 10000000},
		{"the last step", 11, 100000, 95000, 160, 10000000},
		{"over", 11, 100000, 100001, 176, UINT64_MAX},
		{"never nobody", 1, 100000, 1, 1, 10000000},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct backend backend = make(STATE_UP, GOAL_RUN, LISTENS);
		unsigned weight;

		conf.slow_start_ms = rows[i].slow_start_ms;
		backend.weight = rows[i].weight;
		backend.up_since_us = rows[i].up_ms ? clock_us() - rows[i].up_ms * 1000ULL : 0;
		weight = choice_weight(&backend);
		if (weight != rows[i].in_scale)
			fail_msg("%s: %u, not %u", rows[i].name, weight, rows[i].in_scale);
		if (choice_step_us(&backend) != rows[i].step_us)
			fail_msg("%s: steps of %llu us", rows[i].name,
				 (unsigned long long)choice_step_us(&backend));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_be_chosen),
		cmocka_unit_test(what_up_depends_on),
		cmocka_unit_test(slow_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
