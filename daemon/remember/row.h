/* SPDX-License-Identifier: Apache-2.0 */
/* What the file `states` tells of one backend; remember.h says where it comes from. */
#ifndef LB_REMEMBER_ROW_H
#define LB_REMEMBER_ROW_H

#include "model/backend.h"
#include "worker/worker.h"

struct remembered {
	struct remembered *next;
	char name[BACKEND_NAME_BYTES];
	enum state state;
	int goal;
	unsigned failures, restarts;
	bool unready; /* the process has not been up yet */
	bool kept_out;
	unsigned weight; /* by `pool set`; 0: none */
	struct health_tally tally;
	struct worker_past past;
	unsigned long long retry_us; /* CLOCK_MONOTONIC: the same for the next lbd */
	unsigned long long drain_us; /* how long it may drain, */
	unsigned long long since_us; /* from when on, by CLOCK_MONOTONIC; 0: not known */
	enum turn turn;
	/* Of one without a process, or on its way to its end: nothing else tells it any more. */
	char note[BACKEND_NOTE_BYTES];
};

#endif
