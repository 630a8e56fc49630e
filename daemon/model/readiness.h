/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend's being up depends on, and what the lack of it means.  Only looks: backend.c changes the state by it.
 * CLOCK_MONOTONIC, in us.
 */
#ifndef LB_READINESS_H
#define LB_READINESS_H

#include <stdbool.h>
#include <stdint.h>

struct backend;

enum { READINESS_JUST_CLOSED_US = 1000 * 1000 };

/* All that it depends on is there: a listener, the program, READY=1, its check. */
bool readiness_met(const struct backend *backend);

/* READY=1 was said, or need not be: also by a process that was up before that was asked for. */
bool readiness_is_told(const struct backend *backend);

/* Is it known by what is accepted from an inherited listener alone?  Neither a check nor READY=1 tells of it. */
bool readiness_by_accepts(const struct backend *backend);

/* Not ready within its time for its check alone: it is down, and comes up when the check passes. */
bool readiness_failed_start(const struct backend *backend);

/* A worker runs, is not being ended, and listens nowhere any more, or never has. */
bool readiness_is_silent(const struct backend *backend);
uint64_t readiness_silent_for_us(const struct backend *backend);

/* It was ready, and its listener closed a moment ago: the end of its process may be about to be heard of. */
bool readiness_just_closed(const struct backend *backend);

#endif
