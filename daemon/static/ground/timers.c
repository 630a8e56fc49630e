// SPDX-License-Identifier: Apache-2.0
#include "static/ground/timers.h"

#include <stddef.h>

void timers_init(struct timers *timers)
{
	for (unsigned kind = 0; kind < TIMER_KINDS; kind++) {
		struct timer *head = &timers->head[kind];

		head->previous = head->next = head;
	}
}

void timer_set(struct timers *timers, struct timer *timer, enum timer_kind kind, uint64_t now_ms)
{
	struct timer *head;

	if (timer->kind != TIMER_NONE) {
		timer->previous->next = timer->next;
		timer->next->previous = timer->previous;
	}
	timer->kind = kind;
	if (kind == TIMER_NONE)
		return;
	head = &timers->head[kind];
	timer->due_ms = now_ms + timers->duration_ms[kind];
	timer->previous = head->previous;
	timer->next = head;
	head->previous->next = timer;
	head->previous = timer;
}

struct timer *timers_first(struct timers *timers, enum timer_kind kind)
{
	struct timer *head = &timers->head[kind];

	return head->next == head ? NULL : head->next;
}

struct timer *timers_next(struct timers *timers, const struct timer *timer)
{
	return timer->next == &timers->head[timer->kind] ? NULL : timer->next;
}

struct timer *timers_due(struct timers *timers, uint64_t now_ms)
{
	for (unsigned kind = 0; kind < TIMER_KINDS; kind++) {
		struct timer *first = timers_first(timers, kind);

		if (first && first->due_ms <= now_ms)
			return first;
	}
	return NULL;
}

int timers_wait_ms(const struct timers *timers, uint64_t now_ms)
{
	uint64_t due = UINT64_MAX;

	for (unsigned kind = 0; kind < TIMER_KINDS; kind++) {
		const struct timer *head = &timers->head[kind];

		if (head->next != head && head->next->due_ms < due)
			due = head->next->due_ms;
	}
	if (due == UINT64_MAX)
		return -1;
	return due <= now_ms ? 0 : due - now_ms > 1000000 ? 1000000 : (int)(due - now_ms);
}
