/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbd, its workers, the kernel side and an operator, with a death of lbd between any two steps that
 * leave something behind.  States, events and transitions are daemon/model/state.c's: model.py makes
 * transitions.pml of it.  What follows them is in the rooms backend, roll, leave, remember and
 * worker of daemon, function by function.
 *
 * What lasts when lbd dies: processes and their listeners, the kernel's map (`chosen`), records, what is
 * remembered (RUNDIR/states), who leaves and the configuration in force.  What does not: `state`, `goal`,
 * `turn`, `kept_out`.  A step that leaves nothing behind is part of the next one that does.  It begins with all up.
 *
 * Left out:
 * - Time.  A timer may fire at once or late: draining is over at any moment, by its last connection or by
 *   its deadline.  What fails, fails CRASHES, DEATHS and VERBS times.
 * - Whether a worker is ready is whether it listens: no checks, no notification.  The first listening after
 *   adoption is seen at once, as lbd looks before it goes on.
 * - Spawning that fails is a process that ends at once.  A forked child that waits for its record is no
 *   process yet: it ends with lbd.  Control groups: records alone have to do, as without cgroup v2.
 * - Connections: a backend "gets something new" when it is chosen and listens.
 * - SAME_PORT: the two workers are of two pools and have one port, and the configuration has one of them.
 *   Without: one pool, `roll_parallel 1`.
 *
 * BREAK_...: lbd as it must not be, one mistake at a time: a property has to fail then.
 */
#include "transitions.pml"
#include "memory.pml"
#include "drain.pml"
#include "roll.pml"
#include "leave.pml"
#include "world.pml"

/* backend_event(): the state, and with it what the kernel side may choose. */
inline happen(i, event)
{
	d_step {
		if
		:: AFTER(state[i], event) != STATE_NONE ->
			state[i] = AFTER(state[i], event);
			chosen[i] = MAY_BE_CHOSEN(i);
			was_up[i] = ((IS_UP(i) && listens[i]) || (was_up[i] && chosen[i]));
			changed = true;
			dirty = true
		:: else
		fi
	}
}

inline write_states()
{
	d_step {
		kept_state[0] = state[0]; kept_goal[0] = goal[0]; kept_turn[0] = turn[0];
		kept_out_kept[0] = kept_out[0];
		kept_state[1] = state[1]; kept_goal[1] = goal[1]; kept_turn[1] = turn[1];
		kept_out_kept[1] = kept_out[1];
		dirty = false
	}
}

/* backend_process_start(): the child goes on when its record is there. */
inline start(i, event)
{
	if
#ifndef BREAK_SHARES_PORT
	:: HAS_HOLDER(i) -> awaits[i] = true
#endif
	:: else ->
		awaits[i] = false;
#ifndef BREAK_RECORD_LATE
		record[i] = true;
#endif
		d_step { alive[i]++; mute[i] = false; signalled[i] = false; old[i] = false }
#ifdef BREAK_RECORD_LATE
		record[i] = true;
#endif
		happen(i, event);
		if
		:: goal[i] == DRAIN -> happen(i, EVENT_DRAIN)
		:: else
		fi
	fi
}

/* backend_process_stop(), where it runs */
inline stop(i)
{
	if
	:: state[i] != STATE_STOPPING -> happen(i, EVENT_STOP); signalled[i] = (alive[i] > 0)
	:: else
	fi
}

/* backend_process_stopped() */
inline stopped(i)
{
	if
	:: state[i] == STATE_STOPPED && goal[i] == RESTART -> goal[i] = GOAL_OF_START(i); start(i, EVENT_START)
	:: else
	fi
}

/* backend_process_start_by_hand() */
inline start_by_hand(i)
{
	if
	:: !RUNS(i) -> goal[i] = GOAL_OF_START(i); start(i, EVENT_START)
	:: RUNS(i) && goal[i] == STOP && state[i] == STATE_STOPPING ->
		d_step { goal[i] = RESTART; dirty = true }
	:: RUNS(i) && goal[i] == STOP && state[i] != STATE_STOPPING ->
		if
		:: GOAL_OF_START(i) == DRAIN -> d_step { goal[i] = DRAIN; dirty = true }
		:: else -> undrain(i)
		fi
	:: else
	fi
}

/* worker/end.c's finish(), on_exited() */
inline hear_exit(i)
{
	record[i] = false;
	if
	:: state[i] == STATE_STOPPING || (goal[i] != RUN && goal[i] != DRAIN) ->
		happen(i, EVENT_STOP);
		happen(i, EVENT_EXIT);
		stopped(i)
	:: else ->
		if
		:: happen(i, EVENT_EXIT)
		:: happen(i, EVENT_EXIT_KEPT)
		:: happen(i, EVENT_EXIT_FATAL)
		fi
	fi
}

/* main.c's state_changed() and leave.c's reap(), at the end of each turn of the loop */
inline follow()
{
	if
	:: changed ->
		look_at_turn(0);
		look_at_turn(1);
		changed = false
	:: else
	fi;
	advance();
#ifdef SAME_PORT
	reap(0);
	reap(1);
#endif
	changed = false
}

#define IS_WANTED(i) (goal[i] == RUN && state[i] != STATE_STOPPED && configured[i])

/* A verb; only that a backend is drained is told here. */
inline obey(i)
{
	if
	:: keep_out(i); asked = true
	:: d_step { kept_out[i] || state[i] == STATE_DRAINING || state[i] == STATE_DRAINED ->
		told_drained[i] = false };
		put_back(i)
	:: drain(i, STOP)
	:: start_by_hand(i)
#ifdef SAME_PORT
	:: told_drained[i] = false; move(i)
#else
	:: d_step { /* worker restart */
		if :: turn[i] != NOW -> MARK(i) :: else fi;
		roll_go() }
	:: !rolling -> /* roll */
		d_step {
			if :: IS_WANTED(0) -> MARK(0) :: else fi;
			if :: IS_WANTED(1) -> MARK(1) :: else fi;
			roll_go()
		}
#endif
	fi
}

/* What was asked for is remembered before it is answered. */
inline answer()
{
	if
	:: asked ->
#ifndef BREAK_ANSWERS_FIRST
		if
		:: dirty -> write_states()
		:: else
		fi;
#endif
		d_step { told_drained[w] = true; asked = false; w = 0; idle = true }
	:: else -> d_step { w = 0; idle = true }
	fi
}

#if defined(BREAK_FORGETS_DRAIN)
#define RESTORE_OUT(i) kept_out[i] = (kept_goal[i] == DRAIN && alive[i])
#elif defined(BREAK_FORGETS_OUT)
#define RESTORE_OUT(i) kept_out[i] = (kept_goal[i] == DRAIN)
#else
#define RESTORE_OUT(i) kept_out[i] = (kept_out_kept[i] || kept_goal[i] == DRAIN)
#endif

/* worker_take_back(), backend_restore(), resume(): what is there, and what is known of it */
inline take_back(i)
{
	if
	:: record[i] && alive[i] -> d_step {
		RESTORE_OUT(i);
		goal[i] = (kept_goal[i] == LEAVE || kept_goal[i] == RUN -> GOAL_OF_START(i) : kept_goal[i]);
		turn[i] = kept_turn[i];
		state[i] = (kept_state[i] == STATE_STARTING -> STATE_STARTING :
			    (chosen[i] && listens[i] && goal[i] == RUN -> STATE_UP : STATE_DOWN));
		chosen[i] = MAY_BE_CHOSEN(i) }
	:: else ->
		record[i] = false;
		d_step {
			RESTORE_OUT(i);
			turn[i] = kept_turn[i];
			goal[i] = (kept_goal[i] == STOP -> STOP : GOAL_OF_START(i));
			state[i] = ((kept_state[i] == STATE_EXITED || kept_state[i] == STATE_FATAL ||
				     kept_state[i] == STATE_BACKOFF) -> kept_state[i] : STATE_STOPPED);
			chosen[i] = MAY_BE_CHOSEN(i)
		}
	fi
}

/* Of no configuration: leave_restore(), or worker_sweep() */
inline take_leaving(i)
{
	d_step {
		chosen[i] = false;
		was_up[i] = false;
		if
		:: leaves[i] && record[i] && alive[i] -> goal[i] = LEAVE; state[i] = STATE_DOWN
		:: else -> alive[i] = 0; listens[i] = false; record[i] = false; leaves[i] = false
		fi
	}
}

/* listeners_scan(), start_worker() */
inline resume(i)
{
	if
	:: listens[i] && goal[i] == RUN && (state[i] == STATE_STARTING || state[i] == STATE_DOWN) ->
		happen(i, EVENT_READY)
	:: else
	fi;
	if
	:: state[i] == STATE_STOPPED && goal[i] != STOP -> start(i, EVENT_START)
	:: RUNS(i) && goal[i] != RUN && state[i] != STATE_DRAINING -> drain(i, goal[i])
	:: else
	fi
}

inline take_all_back()
{
	if
	:: configured[0] -> take_back(0)
	:: else -> take_leaving(0)
	fi;
	if
	:: configured[1] -> take_back(1)
	:: else -> take_leaving(1)
	fi;
	if
	:: configured[0] -> resume(0)
	:: !configured[0] && goal[0] == LEAVE -> drain(0, LEAVE)
	:: else
	fi;
	if
	:: configured[1] -> resume(1)
	:: !configured[1] && goal[1] == LEAVE -> drain(1, LEAVE)
	:: else
	fi;
	resume_turn(0);
	resume_turn(1);
	d_step { changed = false; roll_go() };
	follow()
}

#define HAS_ENDED(i) (RUNS(i) && !alive[i])
#define IS_READY(i) (listens[i] && alive[i] && (state[i] == STATE_STARTING || state[i] == STATE_DOWN))
#define HAS_LOST(i) (!listens[i] && IS_UP(i))
#define IS_SILENT(i) (state[i] == STATE_DOWN && mute[i] && goal[i] == RUN)
#define IS_LATE(i) (state[i] == STATE_STARTING && mute[i] && !signalled[i])
#define IS_EMPTY(i) (state[i] == STATE_DRAINING)
#define RETRIES(i) (state[i] == STATE_BACKOFF && !awaits[i])

#define EITHER(condition)                                                                          \
	atomic {                                                                                   \
		if                                                                                 \
		:: condition(0) -> w = 0                                                           \
		:: condition(1) -> w = 1                                                           \
		fi;                                                                                \
		idle = false                                                                       \
	}
#define MAY_ASK(i) (verbs && configured[i])

/* One turn of the event loop. */
inline serve()
{
	do
	:: d_step { dirty -> idle = false }; write_states(); idle = true
	:: 	if
		:: EITHER(HAS_ENDED); hear_exit(w)
		:: EITHER(IS_READY); happen(w, EVENT_READY)
		:: EITHER(HAS_LOST); happen(w, EVENT_LOST)
#ifndef BREAK_STAYS_DOWN
		:: EITHER(IS_SILENT); drain(w, RESTART)
#endif
		:: EITHER(IS_LATE); signalled[w] = true
		:: EITHER(IS_EMPTY); happen(w, EVENT_EMPTY); drained(w)
		:: EITHER(RETRIES); start(w, EVENT_RETRY)
		:: atomic { EITHER(MAY_ASK); verbs-- }; obey(w)
		fi;
		follow();
		answer()
	od
}

/* All has been started, and runs. */
inline settle(i)
{
	configured[i] = true;
	alive[i] = 1; listens[i] = true; record[i] = true; chosen[i] = true; was_up[i] = true;
	state[i] = STATE_UP; kept_state[i] = STATE_UP
}

active proctype lbd()
{
	byte w, next = NOBODY;
	bool asked;

	d_step {
		fill_table();
		settle(0);
#ifndef SAME_PORT
		settle(1);
#endif
		idle = true
	}
	goto settled;
again:
	{
		take_all_back();
		idle = true;
settled:	serve()
	} unless { crashed }
	d_step {
		crashed = false;
		idle = false; dirty = false; changed = false; rolling = false; asked = false;
		state[0] = STATE_STOPPED; goal[0] = RUN; turn[0] = NONE; old[0] = false; awaits[0] = false;
		kept_out[0] = false;
		state[1] = STATE_STOPPED; goal[1] = RUN; turn[1] = NONE; old[1] = false; awaits[1] = false;
		kept_out[1] = false;
		w = 0; next = NOBODY
	}
	goto again
}
