/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/ring/turns.h"

#include <stdlib.h>
#include <string.h>

enum { NOBODY = 0xffff, WORD_BITS = 64 };

/* First and last of a queue that is chained by `next`. */
struct queue {
	uint16_t first, last;
};

/* One backend; its turn may be taken from begin on and is due by begin + step. */
struct taker {
	uint64_t begin, step;           /* whole parts */
	uint32_t begin_rest, step_rest; /* in 1/weight */
	uint32_t weight;
	uint16_t next;
};

/*
 * A backend is in one queue at a time: in waiting[t] until turn t, then in ready[due].  Times from
 * `length` on are all the same to us.  `words` and `summary` tell which queues of ready hold anybody.
 */
struct ring_turns {
	size_t length, now;
	struct queue *waiting, *ready;
	uint64_t *words, *summary;
	struct taker takers[];
};

static void queue_push(struct ring_turns *turns, struct queue *queue, uint16_t who)
{
	turns->takers[who].next = NOBODY;
	if (queue->first == NOBODY)
		queue->first = who;
	else
		turns->takers[queue->last].next = who;
	queue->last = who;
}

/* Of those due at the same time, one whose turns are closer together goes first. */
static void push_by_weight(struct ring_turns *turns, struct queue *queue, uint16_t who)
{
	uint16_t first = queue->first;

	if (first == NOBODY || turns->takers[who].weight <= turns->takers[first].weight) {
		queue_push(turns, queue, who);
		return;
	}
	turns->takers[who].next = first;
	queue->first = who;
}

static uint16_t queue_pop(struct ring_turns *turns, struct queue *queue)
{
	uint16_t who = queue->first;

	queue->first = turns->takers[who].next;
	return who;
}

/* Where `begin` is, rounded up, or the last of the queues. */
static size_t begin_of(const struct ring_turns *turns, const struct taker *taker)
{
	uint64_t time = taker->begin + (taker->begin_rest > 0);

	return time < turns->length ? (size_t)time : turns->length;
}

/* Puts `begin` where the next turn begins, which is when this one is due. */
static void make_ready(struct ring_turns *turns, uint16_t who)
{
	struct taker *taker = &turns->takers[who];
	size_t due;

	taker->begin += taker->step;
	taker->begin_rest += taker->step_rest;
	if (taker->begin_rest >= taker->weight) {
		taker->begin_rest -= taker->weight;
		taker->begin++;
	}
	due = begin_of(turns, taker);
	push_by_weight(turns, &turns->ready[due], who);
	turns->words[due / WORD_BITS] |= 1ULL << due % WORD_BITS;
	turns->summary[due / WORD_BITS / WORD_BITS] |= 1ULL << due / WORD_BITS % WORD_BITS;
}

/* There always is somebody, and nobody is late: the shares add up to one turn a turn. */
static size_t earliest_due(const struct ring_turns *turns)
{
	size_t i = turns->now / WORD_BITS / WORD_BITS, word;

	while (!turns->summary[i])
		i++;
	word = i * WORD_BITS + (size_t)__builtin_ctzll(turns->summary[i]);
	return word * WORD_BITS + (size_t)__builtin_ctzll(turns->words[word]);
}

static uint16_t take_earliest(struct ring_turns *turns)
{
	size_t due = earliest_due(turns), word = due / WORD_BITS;
	uint16_t who = queue_pop(turns, &turns->ready[due]);

	if (turns->ready[due].first == NOBODY) {
		turns->words[word] &= ~(1ULL << due % WORD_BITS);
		if (!turns->words[word])
			turns->summary[word / WORD_BITS] &= ~(1ULL << word % WORD_BITS);
	}
	return who;
}

size_t ring_turns_next(struct ring_turns *turns)
{
	struct queue *may = &turns->waiting[turns->now];
	size_t begin;
	uint16_t who;

	while (may->first != NOBODY)
		make_ready(turns, queue_pop(turns, may));
	who = take_earliest(turns);
	turns->now++;
	/* It may begin at once, where this turn was taken when due. */
	begin = begin_of(turns, &turns->takers[who]);
	queue_push(turns, &turns->waiting[begin > turns->now ? begin : turns->now], who);
	return who;
}

static int allocate_turns(struct ring_turns *turns, size_t length)
{
	size_t words = length / WORD_BITS + 1;

	turns->length = length;
	turns->waiting = malloc((length + 1) * sizeof(*turns->waiting));
	turns->ready = malloc((length + 1) * sizeof(*turns->ready));
	turns->words = calloc(words, sizeof(*turns->words));
	turns->summary = calloc(words / WORD_BITS + 1, sizeof(*turns->summary));
	if (!turns->waiting || !turns->ready || !turns->words || !turns->summary)
		return -1;
	memset(turns->waiting, 0xff, (length + 1) * sizeof(*turns->waiting));
	memset(turns->ready, 0xff, (length + 1) * sizeof(*turns->ready));
	return 0;
}

struct ring_turns *ring_turns_new(const uint32_t *weights, size_t count, size_t length)
{
	struct ring_turns *turns = calloc(1, sizeof(*turns) + count * sizeof(*turns->takers));
	uint64_t sum = 0;

	if (!turns || allocate_turns(turns, length)) {
		ring_turns_free(turns);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		sum += weights[i];
	for (size_t i = 0; i < count; i++) {
		turns->takers[i].weight = weights[i];
		turns->takers[i].step = sum / weights[i];
		turns->takers[i].step_rest = (uint32_t)(sum % weights[i]);
		queue_push(turns, &turns->waiting[0], (uint16_t)i);
	}
	return turns;
}

void ring_turns_free(struct ring_turns *turns)
{
	if (!turns)
		return;
	free(turns->waiting);
	free(turns->ready);
	free(turns->words);
	free(turns->summary);
	free(turns);
}
