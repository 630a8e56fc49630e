/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a process on an inherited listener accepts.  That listener is there before the process's program runs
 * and however often it fails, so it tells nothing of it: what does is that the process has lived for a second,
 * and that not all who have come to it still wait in its accept queue.
 */
#ifndef LB_ACCEPTS_H
#define LB_ACCEPTS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct backend;

/*
 * The process runs its program since then (CLOCK_MONOTONIC): looks, and calls model_hooks.evaluate() once it accepts.
 */
void accepts_watch(struct backend *backend, uint64_t since_us);

/* Of another process, or none. */
void accepts_forget(struct backend *backend);

#endif
