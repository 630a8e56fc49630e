/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/backend/drain.c: of lbd.pml. */
/* backend_drain() */
inline drain(i, wanted)
{
	d_step {
		goal[i] = wanted;
#ifndef BREAK_FORGETS_GOAL
		dirty = true;
#endif
		if
		:: wanted != RESTART && turn[i] != NOW -> turn[i] = NONE
		:: else
		fi
	}
	if
	:: state[i] == STATE_DRAINING || state[i] == STATE_STOPPING
	:: state[i] == STATE_STARTING || IS_UP(i) || state[i] == STATE_DOWN -> happen(i, EVENT_DRAIN)
	:: state[i] == STATE_DRAINED -> drained(i)
	:: else -> happen(i, EVENT_STOP); stopped(i) /* nothing runs */
	fi
}

/* backend_process_drained() */
inline drained(i)
{
	if
	:: goal[i] != RUN && goal[i] != DRAIN -> stop(i)
	:: else
	fi
}

/* backend_undrain() */
inline undrain(i)
{
	if
	:: state[i] == STATE_DRAINING || state[i] == STATE_DRAINED ->
		goal[i] = RUN;
		happen(i, EVENT_UNDRAIN)
	:: else
	fi
}

/* backend_keep_out(): where nothing runs, or what does ends, it is the next process that is drained */
inline keep_out(i)
{
	d_step {
		kept_out[i] = true;
#ifndef BREAK_FORGETS_GOAL
		dirty = true
#endif
	}
	if
#ifdef BREAK_DRAIN_ENDS_RESTART
	:: RUNS(i) && !(state[i] == STATE_STOPPING && goal[i] == STOP) -> drain(i, DRAIN)
#else
	:: RUNS(i) && state[i] != STATE_STOPPING -> drain(i, DRAIN)
#endif
	:: else -> d_step {
		goal[i] = (goal[i] == RUN -> DRAIN : goal[i]);
		chosen[i] = MAY_BE_CHOSEN(i) }
	fi
}

/* backend_put_back() */
inline put_back(i)
{
	d_step { kept_out[i] = false; dirty = true };
	if
	:: state[i] == STATE_DRAINING || state[i] == STATE_DRAINED -> undrain(i)
	:: else -> d_step {
		goal[i] = (goal[i] == DRAIN -> RUN : goal[i]);
		chosen[i] = MAY_BE_CHOSEN(i) }
	fi
}
