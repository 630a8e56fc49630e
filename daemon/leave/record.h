/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUNDIR/leaving/ID, by the number in the kernel side's maps: what the next lbd needs of a backend that leaves
 * (see leave.h) and finds nowhere else: the configuration in force does not have it any more.  Written
 * before that configuration is, so that there is no moment at which nothing names its process.
 *
 * The first line is "# lbd-leaving VERSION ID GENERATION UNTIL IS-WORKER ENDPOINT"; its pool, as it was
 * configured but for the stop_signal and stop_timeout by which it ends, follows, and its seal (seal.h).  For root
 * alone to read, as the configuration may be.
 */
#ifndef LB_LEAVE_RECORD_H
#define LB_LEAVE_RECORD_H

#include "model/pool.h"

struct leave_record {
	struct backend_place place;
	uint64_t until_us;            /* CLOCK_MONOTONIC: it drains no longer; UINT64_MAX: no end */
	struct conf *conf;            /* holds its pool alone; the reader's to free */
	struct conf_backend *backend; /* of it */
};

/* What cannot be written is said: an lbd that comes after one's death would not know of the backend. */
void leave_record_write(const struct backend *backend);

bool leave_record_is_there(const struct backend *backend);

/* When it has ended. */
void leave_record_remove(const struct backend *backend);

/* When the configuration in force has been written: of those that leave no more. */
void leave_record_sweep(const struct model *model);

/* Calls each for every one; what is read of them is freed after it.  One that cannot be read is said. */
void leave_record_each(struct model *model,
		       void (*each)(struct model *model, const struct leave_record *record));

#endif
