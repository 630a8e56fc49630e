/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines of connections.  All of a kind last equally long, so each kind is a list in the order of
 * expiry, and setting or moving one is a few pointers.
 */
#ifndef LBSTATIC_TIMERS_H
#define LBSTATIC_TIMERS_H

#include <stdint.h>

enum timer_kind { TIMER_HEADER, TIMER_IDLE, TIMER_SEND, TIMER_LINGER, TIMER_KINDS, TIMER_NONE };

struct timer {
	struct timer *previous, *next; /* of a list whose head is in struct timers */
	uint64_t due_ms;
	enum timer_kind kind;
};

struct timers {
	struct timer head[TIMER_KINDS];
	unsigned duration_ms[TIMER_KINDS];
};

void timers_init(struct timers *timers);
/* Sets it, moves it, or with TIMER_NONE takes it off. */
void timer_set(struct timers *timers, struct timer *timer, enum timer_kind kind, uint64_t now_ms);
/* One that is due, which stays on its list, or NULL. */
struct timer *timers_due(struct timers *timers, uint64_t now_ms);
/* The first of a kind to expire, or NULL. */
struct timer *timers_first(struct timers *timers, enum timer_kind kind);
/* The one of its kind that expires after it, or NULL. */
struct timer *timers_next(struct timers *timers, const struct timer *timer);
/* Milliseconds until the next is due, or -1 without any: for epoll_wait. */
int timers_wait_ms(const struct timers *timers, uint64_t now_ms);

#endif
