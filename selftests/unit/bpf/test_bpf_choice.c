/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a backend, over arrays for maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "choice.h"

enum { BACKENDS = 128, RING = 1021, DRAWS = 20000 };

struct choice_source {
	bool alive[BACKENDS];
	struct choice_load loads[BACKENDS];
	uint16_t ring[RING];
	unsigned looks;
};

static bool choice_look(struct choice_source *source, uint16_t backend, struct choice_load *load)
{
	source->looks++;
	if (backend >= BACKENDS || !source->alive[backend])
		return false;
	*load = source->loads[backend];
	return true;
}

static uint16_t choice_ring(struct choice_source *source, uint32_t place)
{
	assert_in_range(place, 0, RING - 1);
	return source->ring[place];
}

static int choose(struct choice_source *source, const struct lb_pool *pool, uint32_t hash,
		  uint64_t turn)
{
	struct choice choice = {.source = source, .pool = pool, .hash = hash, .turn = turn};

	source->looks = 0;
	choice_start(&choice);
	for (uint32_t i = 0; i < CHOICE_CANDIDATES && !choice_step(&choice, i); i++)
		;
	return choice.best;
}

/* Backends 0..count-1 alive, idle, of weight 1; each in the ring in its turn. */
static void fill(struct choice_source *source, struct lb_pool *pool, uint32_t scheduler,
		 uint32_t count)
{
	memset(source, 0, sizeof(*source));
	for (uint16_t id = 0; id < count; id++) {
		source->alive[id] = true;
		source->loads[id].weight = 1;
	}
	for (uint32_t place = 0; place < RING; place++)
		source->ring[place] = count ? place % count : LB_BACKEND_NONE;
	*pool = (struct lb_pool){.scheduler = scheduler, .count = count, .ring_entries = RING};
	for (uint16_t i = 0; i < LB_POOL_MEMBERS; i++)
		pool->members[i] = i;
}

static uint32_t next_hash(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return choice_mix(*state, 1);
}

struct compare_row {
	const char *name;
	struct choice_load a, b;
	int order;
};

static const struct compare_row compare_rows[] = {
	{"equal", {0, 0, 0, 1}, {0, 0, 0, 1}, 0},
	{"fewer connections", {0, 1, 0, 1}, {0, 2, 0, 1}, -1},
	{"more connections", {0, 2, 0, 1}, {0, 1, 0, 1}, 1},
	{"queue before connections", {1, 0, 0, 1}, {0, 1000, 0, 1}, 1},
	{"equal queues", {1, 0, 0, 1}, {1, 1, 0, 1}, -1},
	{"connections for weight", {0, 3, 0, 3}, {0, 1, 0, 1}, 0},
	{"fewer for weight", {0, 5, 0, 3}, {0, 2, 0, 1}, -1},
	{"queue for weight", {2, 9, 0, 3}, {1, 0, 0, 1}, -1},
	{"limits do not matter", {0, 1, 5, 1}, {0, 1, 9, 1}, 0},
	{"largest numbers", {~0U, ~0U, 0, 1000}, {~0U, ~0U, 0, 999}, -1},
	{"largest queue", {~0U, 0, 0, 1000}, {1, 0, 0, 1}, 1},
};

static void compare(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(compare_rows) / sizeof(compare_rows[0]); i++) {
		const struct compare_row *row = &compare_rows[i];

		if (choice_compare(&row->a, &row->b) != row->order ||
		    choice_compare(&row->b, &row->a) != -row->order)
			fail_msg("%s", row->name);
	}
}

static void is_full(void **state)
{
	(void)state;
	assert_false(choice_is_full(&(struct choice_load){.connections = ~0U}));
	assert_false(choice_is_full(&(struct choice_load){.connections = 4, .max_connections = 5}));
	assert_true(choice_is_full(&(struct choice_load){.connections = 5, .max_connections = 5}));
	assert_true(choice_is_full(&(struct choice_load){.connections = 6, .max_connections = 5}));
}

static void scale(void **state)
{
	(void)state;
	assert_int_equal(choice_scale(0, 7), 0);
	assert_int_equal(choice_scale(~0U, 7), 6);
	assert_int_equal(choice_scale(~0U, 1), 0);
	assert_int_equal(choice_scale(~0U, LB_RING_MAX), LB_RING_MAX - 1);
	assert_int_equal(choice_scale(1U << 31, 10), 5);
}

struct size_row {
	uint32_t scheduler, count, ring_entries, wanted, probes;
};

static const struct size_row size_rows[] = {
	{LB_LEAST_LOAD, 1, 0, 1, 0},      {LB_LEAST_LOAD, 16, 0, 16, 0},
	{LB_LEAST_LOAD, 16, RING, 16, 0}, /* looked at whole, ring or not */
	{LB_LEAST_LOAD, 17, RING, 8, 64}, {LB_LEAST_LOAD, 4096, LB_RING_MAX, 8, 64},
	{LB_RANDOM, 1, RING, 1, 4},       {LB_RANDOM, 2, RING, 2, 4},
	{LB_RANDOM, 4096, RING, 2, 64},   {LB_MAGLEV, 16, RING, 1, 4},
	{LB_MAGLEV, 17, RING, 1, 64},     {LB_ROUND_ROBIN, 3, RING, 1, 4},
	{LB_SOURCE_HASH, 3, 0, 1, 0}, /* no ring yet: members */
};

static void sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(size_rows) / sizeof(size_rows[0]); i++) {
		const struct size_row *row = &size_rows[i];
		struct lb_pool pool = {.scheduler = row->scheduler,
				       .count = row->count,
				       .ring_entries = row->ring_entries};

		assert_int_equal(choice_wanted(&pool), row->wanted);
		assert_int_equal(choice_probes(&pool), row->probes);
	}
}

/* Against the plain definition: nobody eligible has less load than the one that was picked. */
static void least_load_is_least(void **state)
{
	struct choice_source source;
	struct lb_pool pool;
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < DRAWS; round++) {
		uint32_t count = next_hash(&random) % (LB_POOL_MEMBERS + 1);
		bool any = false;
		int best;

		fill(&source, &pool, LB_LEAST_LOAD, count);
		for (uint32_t id = 0; id < count; id++) {
			source.alive[id] = next_hash(&random) % 4;
			source.loads[id] = (struct choice_load){
				.queue = next_hash(&random) % 3,
				.connections = next_hash(&random) % 10,
				.weight = 1 + next_hash(&random) % 4,
				.max_connections = next_hash(&random) % 12,
			};
			any |= source.alive[id] && !choice_is_full(&source.loads[id]);
		}
		best = choose(&source, &pool, next_hash(&random), 0);
		assert_int_equal(best >= 0, any);
		for (uint32_t id = 0; id < count && best >= 0; id++)
			if (source.alive[id] && !choice_is_full(&source.loads[id]))
				assert_true(choice_compare(&source.loads[id],
							   &source.loads[best]) >= 0);
	}
}

static void draw(struct choice_source *source, const struct lb_pool *pool, unsigned count[BACKENDS])
{
	uint32_t random = 7;

	memset(count, 0, BACKENDS * sizeof(*count));
	for (uint64_t turn = 0; turn < DRAWS; turn++) {
		int best = choose(source, pool, next_hash(&random), turn);

		assert_in_range(best, 0, BACKENDS - 1);
		count[best]++;
	}
}

/* Of N places with weights 1..n in all, each gets its part within 10 % (5 sigma and more). */
static void expect_shares(const unsigned *count, const unsigned *weights, unsigned backends)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < backends; i++)
		sum += weights[i];
	for (unsigned i = 0; i < backends; i++)
		assert_in_range(count[i], DRAWS * weights[i] / sum * 9 / 10,
				DRAWS * weights[i] / sum * 11 / 10);
}

/* Idle backends of a small pool: no ring, so the tie itself honours the weights. */
static void ties_by_weight(void **state)
{
	static const unsigned weights[] = {1, 2, 3, 4};
	struct choice_source source;
	struct lb_pool pool;
	unsigned count[BACKENDS];

	(void)state;
	fill(&source, &pool, LB_LEAST_LOAD, 4);
	for (int id = 0; id < 4; id++)
		source.loads[id].weight = weights[id];
	draw(&source, &pool, count);
	expect_shares(count, weights, 4);
}

/* Every scheduler spreads an idle pool evenly, small or large. */
static void even(void **state)
{
	static const unsigned sizes_of[] = {1, 2, 4, 16, 17, 32};
	unsigned count[BACKENDS];
	struct choice_source source;
	struct lb_pool pool;

	(void)state;
	for (uint32_t scheduler = 0; scheduler < LB_SCHEDULERS; scheduler++)
		for (size_t i = 0; i < sizeof(sizes_of) / sizeof(sizes_of[0]); i++) {
			fill(&source, &pool, scheduler, sizes_of[i]);
			draw(&source, &pool, count);
			for (unsigned id = 0; id < sizes_of[i]; id++)
				assert_in_range(count[id], DRAWS / sizes_of[i] * 75 / 100,
						DRAWS / sizes_of[i] * 125 / 100);
		}
}

/* What the ring repeats is chosen as much more often, where loads are equal. */
static void ring_weights(void **state)
{
	static const unsigned weights[] = {1, 2, 5};
	struct choice_source source;
	struct lb_pool pool;
	unsigned count[BACKENDS];

	(void)state;
	for (uint32_t scheduler = LB_MAGLEV; scheduler < LB_SCHEDULERS; scheduler++) {
		fill(&source, &pool, scheduler, 3);
		for (uint32_t i = 0; i < RING; i++)
			source.ring[i] = i % 8 < 1 ? 0 : i % 8 < 3 ? 1 : 2;
		draw(&source, &pool, count);
		expect_shares(count, weights, 3);
	}
}

static void maglev_follows_the_ring(void **state)
{
	struct choice_source source;
	struct lb_pool pool;
	uint32_t random = 3;

	(void)state;
	fill(&source, &pool, LB_MAGLEV, 100);
	for (int i = 0; i < 1000; i++) {
		uint32_t hash = next_hash(&random);
		uint16_t expected = source.ring[choice_scale(hash, RING)];

		source.loads[expected].connections = 1000000;
		assert_int_equal(choose(&source, &pool, hash, 0), expected);
		assert_int_equal(source.looks, 1);
	}
}

/* One that fails moves its own flows only, and to more than one of the others. */
static void maglev_moves_no_other(void **state)
{
	struct choice_source source;
	struct lb_pool pool;
	uint32_t random = 3;
	unsigned moved[BACKENDS] = {0}, targets = 0;

	(void)state;
	fill(&source, &pool, LB_MAGLEV, 20);
	for (int i = 0; i < DRAWS; i++) {
		uint32_t hash = next_hash(&random);
		int before, after;

		source.alive[3] = true;
		before = choose(&source, &pool, hash, 0);
		source.alive[3] = false;
		after = choose(&source, &pool, hash, 0);
		if (before == 3)
			moved[after]++;
		else
			assert_int_equal(after, before);
	}
	assert_int_equal(moved[3], 0);
	for (int id = 0; id < 20; id++)
		targets += moved[id] > 0;
	assert_int_equal(targets, 19);
}

static void round_robin_takes_turns(void **state)
{
	struct choice_source source;
	struct lb_pool pool;

	(void)state;
	fill(&source, &pool, LB_ROUND_ROBIN, 5);
	for (uint64_t turn = 0; turn < 3 * RING; turn++)
		assert_int_equal(choose(&source, &pool, 123, turn), source.ring[turn % RING]);
	assert_int_equal(choose(&source, &pool, 123, ~0ULL), source.ring[~0ULL % RING]);
}

/* Power of two choices: a loaded one is chosen only where nothing else was drawn. */
static void random_avoids_load(void **state)
{
	struct choice_source source;
	struct lb_pool pool;
	unsigned count[BACKENDS];

	(void)state;
	fill(&source, &pool, LB_RANDOM, 32);
	source.loads[5].connections = 10;
	draw(&source, &pool, count);
	assert_int_equal(count[5], 0);
	assert_true(count[6] > DRAWS / 64);
}

/* In a large pool the best of those that the hash names, and no more looks than that. */
static void large_pool_best_of_eight(void **state)
{
	struct choice_source source;
	struct lb_pool pool;
	uint32_t random = 5;
	uint64_t sum = 0;

	(void)state;
	fill(&source, &pool, LB_LEAST_LOAD, 100);
	for (unsigned id = 0; id < 100; id++)
		source.loads[id].connections = id;
	for (int i = 0; i < DRAWS; i++) {
		int best = choose(&source, &pool, next_hash(&random), 0);

		assert_in_range(best, 0, 99);
		assert_in_range(source.looks, CHOICE_BEST_OF, CHOICE_BEST_OF);
		sum += best;
	}
	/* The least of eight of 0..99 is 10.6 on average. */
	assert_in_range(sum / DRAWS, 9, 12);
}

struct verdict_row {
	const char *name;
	uint32_t count;
	unsigned alive, full; /* the first so many are alive; of these the first so many are full */
	int verdict;          /* 0: one is found */
};

static const struct verdict_row verdict_rows[] = {
	{"nobody", 0, 0, 0, CHOICE_NO_BACKEND},
	{"none alive", 4, 0, 0, CHOICE_NO_BACKEND},
	{"one alive", 4, 1, 0, 0},
	{"all full", 4, 4, 4, CHOICE_MAX_CONNECTIONS},
	{"all alive are full", 4, 2, 2, CHOICE_MAX_CONNECTIONS},
	{"one has room", 4, 4, 3, 0},
	{"one of sixteen", 16, 16, 15, 0},
	{"one of sixteen alive", 16, 1, 0, 0},
	{"single", 1, 1, 0, 0},
	{"single, full", 1, 1, 1, CHOICE_MAX_CONNECTIONS},
	{"large, none alive", 100, 0, 0, CHOICE_NO_BACKEND},
	{"large, all full", 100, 100, 100, CHOICE_MAX_CONNECTIONS},
	{"large, half alive", 100, 50, 0, 0},
	{"large, half full", 100, 100, 50, 0},
};

static void check_verdict(const struct verdict_row *row, uint32_t scheduler, bool defers)
{
	struct choice_source source;
	struct lb_pool pool;
	uint32_t random = 11;
	int verdict = row->verdict;

	if (defers && verdict == CHOICE_NO_BACKEND)
		verdict = CHOICE_DEFER;
	fill(&source, &pool, scheduler, row->count);
	pool.flags = defers ? LB_POOL_DEFER : 0;
	for (unsigned id = 0; id < row->count; id++) {
		source.alive[id] = id < row->alive;
		source.loads[id].max_connections = 3;
		source.loads[id].connections = id < row->full ? 3 : 2;
	}
	for (uint64_t turn = 0; turn < 1000; turn++) {
		int best = choose(&source, &pool, next_hash(&random), turn);

		assert_true(source.looks <= CHOICE_CANDIDATES);
		if (verdict ? best != verdict : best < (int)row->full || best >= (int)row->alive)
			fail_msg("%s, scheduler %u: %d", row->name, scheduler, best);
	}
}

static void verdicts(void **state)
{
	(void)state;
	for (uint32_t scheduler = 0; scheduler < LB_SCHEDULERS; scheduler++)
		for (size_t i = 0; i < sizeof(verdict_rows) / sizeof(verdict_rows[0]); i++)
			for (int defers = 0; defers < 2; defers++)
				check_verdict(&verdict_rows[i], scheduler, defers);
}

/* A ring that names nobody: holes, or ids that were never given out. */
static void ring_of_nobody(void **state)
{
	struct choice_source source;
	struct lb_pool pool;

	(void)state;
	fill(&source, &pool, LB_MAGLEV, 100);
	for (uint32_t i = 0; i < RING; i++)
		source.ring[i] = i % 2 ? LB_BACKEND_NONE : LB_MAX_BACKENDS - 1;
	assert_int_equal(choose(&source, &pool, 99, 0), CHOICE_NO_BACKEND);
	assert_int_equal(source.looks, CHOICE_PROBES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compare),
		cmocka_unit_test(is_full),
		cmocka_unit_test(scale),
		cmocka_unit_test(sizes),
		cmocka_unit_test(least_load_is_least),
		cmocka_unit_test(ties_by_weight),
		cmocka_unit_test(even),
		cmocka_unit_test(ring_weights),
		cmocka_unit_test(maglev_follows_the_ring),
		cmocka_unit_test(maglev_moves_no_other),
		cmocka_unit_test(round_robin_takes_turns),
		cmocka_unit_test(random_avoids_load),
		cmocka_unit_test(large_pool_best_of_eight),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(ring_of_nobody),
	};

	return cmocka_run_group_tests_name("choice", tests, NULL, NULL);
}
