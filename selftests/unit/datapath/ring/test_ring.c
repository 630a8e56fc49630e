/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "datapath/ring/ring.h"
#include "lb/abi.h"

enum { BACKENDS = 1000 };

static uint16_t ring[LB_RING_MAX], other[LB_RING_MAX];
static struct ring_backend backends[BACKENDS];
static size_t counts[BACKENDS];

static void make(size_t count, unsigned (*weight)(size_t i))
{
	for (size_t i = 0; i < count; i++) {
		backends[i].id = (uint16_t)i;
		backends[i].weight = (uint16_t)weight(i);
		backends[i].name = hash_bytes(&i, sizeof(i));
	}
}

static unsigned equal(size_t i)
{
	(void)i;
	return 7;
}

static unsigned mixed(size_t i)
{
	return 1 + (unsigned)(i * 7919 % 1000);
}

static unsigned one_heavy(size_t i)
{
	return i == 500 ? 1000 : 1;
}

static void count_entries(size_t size)
{
	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < size; i++)
		counts[ring[i]]++;
}

/* The worked example of the Maglev paper, table 1: three backends, and then two of them. */
static void the_papers_example(void **state)
{
	static const struct ring_backend three[] = {{0, 1, 0}, {1, 1, 0}, {2, 1, 0}},
					 two[] = {{0, 1, 0}, {2, 1, 0}};
	static const struct ring_preference of_three[] = {{3, 4}, {0, 2}, {3, 1}},
					    of_two[] = {{3, 4}, {3, 1}};
	static const uint16_t before[] = {1, 0, 1, 0, 2, 2, 0}, after[] = {0, 0, 0, 0, 2, 2, 2};

	(void)state;
	assert_int_equal(ring_maglev_prefer(ring, 7, three, of_three, 3), 0);
	assert_memory_equal(ring, before, sizeof(before));
	assert_int_equal(ring_maglev_prefer(ring, 7, two, of_two, 2), 0);
	assert_memory_equal(ring, after, sizeof(after));
}

static void equal_weights_differ_by_one_at_most(void **state)
{
	static const size_t sizes[] = {2, 3, 251, 1021, 65537}, numbers[] = {1, 2, 3, 64, 250, 999};

	(void)state;
	make(BACKENDS, equal);
	for (size_t i = 0; i < 5; i++) {
		for (size_t j = 0; j < 6; j++) {
			assert_int_equal(ring_maglev(ring, sizes[i], backends, numbers[j]), 0);
			count_entries(sizes[i]);
			for (size_t k = 0; k < numbers[j]; k++)
				assert_in_range(counts[k], sizes[i] / numbers[j],
						sizes[i] / numbers[j] + 1);
		}
	}
}

static void entries_follow_weights(void **state)
{
	static unsigned (*const weights[])(size_t) = {mixed, one_heavy};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		double sum = 0;

		make(BACKENDS, weights[i]);
		for (size_t k = 0; k < BACKENDS; k++)
			sum += backends[k].weight;
		assert_int_equal(ring_maglev(ring, LB_RING_MAX, backends, BACKENDS), 0);
		count_entries(LB_RING_MAX);
		for (size_t k = 0; k < BACKENDS; k++) {
			double ideal = backends[k].weight * (double)LB_RING_MAX / sum;

			assert_in_range(counts[k], (size_t)ideal > 1 ? (size_t)(ideal * 0.99) : 1,
					(size_t)(ideal * 1.01) + 1);
		}
	}
}

/*
 * Entries that change although their backend is still there come on top of the ideal.  Maglev keeps
 * that small only where the table has some hundred entries for each backend; beyond, it stays below
 * 1 % of the table.
 */
static void removal_moves_little(void **state)
{
	static const size_t numbers[] = {2, 4, 16, 64, 100, 1000};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		size_t changed = 0, gone = numbers[i] / 2, ideal = 0, most;

		make(numbers[i], equal);
		assert_int_equal(ring_maglev(other, LB_RING_MAX, backends, numbers[i]), 0);
		backends[gone].weight = 0;
		assert_int_equal(ring_maglev(ring, LB_RING_MAX, backends, numbers[i]), 0);
		for (size_t k = 0; k < LB_RING_MAX; k++) {
			assert_int_not_equal(ring[k], gone);
			changed += ring[k] != other[k];
			ideal += other[k] == gone;
		}
		most = numbers[i] <= 100 ? ideal * 2 : ideal + LB_RING_MAX / 100;
		print_message("of %zu backends: %zu of %d entries change at a removal, ideal %zu\n",
			      numbers[i], changed, LB_RING_MAX, ideal);
		assert_in_range(changed, ideal, most);
	}
}

static void order_does_not_matter(void **state)
{
	(void)state;
	make(BACKENDS, mixed);
	assert_int_equal(ring_maglev(ring, LB_RING_MAX, backends, BACKENDS), 0);
	for (size_t i = 0; i < BACKENDS / 2; i++) {
		struct ring_backend swap = backends[i];

		backends[i] = backends[BACKENDS - 1 - i];
		backends[BACKENDS - 1 - i] = swap;
	}
	assert_int_equal(ring_maglev(other, LB_RING_MAX, backends, BACKENDS), 0);
	assert_memory_equal(ring, other, sizeof(ring));
	assert_int_equal(ring_interleave(ring, LB_RING_MAX, backends, BACKENDS), LB_RING_MAX);
	make(BACKENDS, mixed);
	assert_int_equal(ring_interleave(other, LB_RING_MAX, backends, BACKENDS), LB_RING_MAX);
	assert_memory_equal(ring, other, sizeof(ring));
}

/* Ids are given out anew after a restart; the same names get the same entries. */
static void ids_do_not_matter(void **state)
{
	(void)state;
	make(100, mixed);
	assert_int_equal(ring_maglev(ring, 1021, backends, 100), 0);
	for (size_t i = 0; i < 100; i++)
		backends[i].id = (uint16_t)(99 - i);
	assert_int_equal(ring_maglev(other, 1021, backends, 100), 0);
	for (size_t i = 0; i < 1021; i++)
		assert_int_equal(other[i], 99 - ring[i]);
}

static void what_cannot_be_is_refused(void **state)
{
	static const struct ring_backend one = {0, 1, 0}, none = {0, 0, 0};
	static const struct {
		size_t size;
		const struct ring_backend *backend;
		size_t count;
	} rows[] = {{0, &one, 1},   {1, &one, 1},    {4, &one, 1},      {65536, &one, 1},
		    {251, &one, 0}, {251, &none, 1}, {1 << 30, &one, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(ring_maglev(ring, rows[i].size, rows[i].backend, rows[i].count),
				 -EINVAL);
	assert_int_equal(ring_interleave(ring, LB_RING_MAX, &none, 1), 0);
	assert_int_equal(ring_interleave(ring, LB_RING_MAX, &one, 0), 0);
	assert_int_equal(ring_interleave(ring, 0, &one, 1), 0);
}

static const struct {
	size_t count;
	unsigned weight, heavy; /* of each, and of the first */
	size_t size;
} sizes[] = {
	{0, 1, 1, 251},    {1, 1, 1, 251},      {1, 1000, 1000, 251},      {2, 7, 7, 251},
	{3, 1, 1, 509},    {2, 1, 1000, 65537}, {1000, 1000, 1000, 65537}, {10, 1, 1, 1021},
	{20, 2, 20, 4093},
};

static void sizes_suit_the_weights(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (size_t k = 0; k < sizes[i].count; k++)
			backends[k].weight = (uint16_t)(k ? sizes[i].weight : sizes[i].heavy);
		assert_int_equal(ring_size(backends, sizes[i].count), sizes[i].size);
	}
}

/* Weights, and the sequence in letters, by order of name, which here is that of the weights. */
static const struct {
	unsigned weights[4];
	size_t max;
	const char *sequence;
} sequences[] = {
	{{1}, 9, "a"},          {{1000}, 9, "a"},
	{{3, 3}, 9, "ab"},      {{1, 1, 1, 1}, 9, "abcd"},
	{{2, 1}, 9, "aba"},     {{5, 1, 1}, 9, "abaacaa"},
	{{4, 2, 2}, 9, "abac"}, {{3, 2}, 9, "ababa"},
	{{1, 1}, 1, "a"},       {{1, 1, 1, 1}, 3, "abc"},
	{{2, 1}, 2, "ab"},
};

static void sequences_are_smooth(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
		struct ring_backend few[4];
		char text[16] = "";
		size_t count = 0, length;

		for (; count < 4 && sequences[i].weights[count]; count++)
			few[count] =
				(struct ring_backend){(uint16_t)count,
						      (uint16_t)sequences[i].weights[count], count};
		length = ring_interleave(ring, sequences[i].max, few, count);
		for (size_t k = 0; k < length; k++)
			text[k] = (char)('a' + ring[k]);
		assert_string_equal(text, sequences[i].sequence);
	}
}

/* After any number of turns each has had its share, but for a part of one turn. */
static void turns_are_spread(void **state)
{
	static unsigned (*const weights[])(size_t) = {mixed, one_heavy, equal};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		double sum = 0, share;
		size_t length;

		make(60, weights[i]);
		for (size_t k = 0; k < 60; k++)
			sum += backends[k].weight;
		length = ring_interleave(ring, LB_RING_MAX, backends, 60);
		memset(counts, 0, sizeof(counts));
		for (size_t k = 0; k < length; k++) {
			size_t who = ring[k];

			share = backends[who].weight * (double)k / sum;
			if ((double)counts[who] > share + 1 || (double)counts[who] < share - 1)
				fail_msg("backend %zu has had %zu of %f", who, counts[who], share);
			counts[who]++;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_papers_example),
		cmocka_unit_test(equal_weights_differ_by_one_at_most),
		cmocka_unit_test(entries_follow_weights),
		cmocka_unit_test(removal_moves_little),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(ids_do_not_matter),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(sizes_suit_the_weights),
		cmocka_unit_test(sequences_are_smooth),
		cmocka_unit_test(turns_are_spread),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
