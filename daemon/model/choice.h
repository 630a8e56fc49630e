/* SPDX-License-Identifier: Apache-2.0 */
/* Which backends the kernel side may choose, and with what weight.  Only looks: apply/ writes it. */
#ifndef LB_CHOICE_H
#define LB_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

struct backend;

/* The kernel side's weight for the configuration's 1. */
enum { CHOICE_WEIGHT_SCALE = 16 };

/*
 * May the kernel side choose it?  When its listener is all that readiness asks for, the kernel's own
 * look at the listener decides, so that it is right even while lbd is not running.
 */
bool choice_enabled(const struct backend *backend);

/* It is to get connections, though it is not known yet whether it accepts: who else would show it. */
bool choice_on_trial(const struct backend *backend);

/* In the kernel side's scale, ramped by the pool's slow start. */
unsigned choice_weight(const struct backend *backend);

/* While it is ramped: how long each step of that lasts; UINT64_MAX: it has its full weight. */
uint64_t choice_step_us(const struct backend *backend);

#endif
