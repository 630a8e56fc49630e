/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/roll/roll.c: of lbd.pml. */
/* roll.c's end() */
inline end_roll()
{
	d_step { rolling = false; turn[0] = NONE; turn[1] = NONE; dirty = true }
}

#ifdef BREAK_ROLL_WAITS
#define TAKEN_BY_COMMAND(i) (state[i] == STATE_STOPPED && goal[i] == STOP)
#else
#define TAKEN_BY_COMMAND(i)                                                                        \
	((state[i] == STATE_STOPPED && (goal[i] == STOP || goal[i] == DRAIN)) ||                   \
	 (state[i] == STATE_DRAINED && goal[i] == DRAIN))
#endif
/* roll_is_drained_anew() */
#define IS_DRAINED_ANEW(i)                                                                         \
	(kept_out[i] && goal[i] == DRAIN && state[i] == STATE_DRAINED && alive[i] && !old[i])

#define FAILED(i)                                                                                  \
	((goal[i] == RUN || goal[i] == DRAIN) &&                                                   \
	 (state[i] == STATE_BACKOFF || state[i] == STATE_FATAL || state[i] == STATE_EXITED))
#define PUT_BACK(i) (old[i] && goal[i] == RUN && alive[i])

#define MARK(i) turn[i] = DUE; old[i] = RUNS(i)

/* look_at_turn() */
inline look_at_turn(i)
{
	if
	:: rolling && turn[i] == NOW && !IS_DRAINED_ANEW(i) &&
		(PUT_BACK(i) || TAKEN_BY_COMMAND(i) || FAILED(i)) -> end_roll()
	:: rolling && turn[i] == NOW && !PUT_BACK(i) && (IS_UP(i) || IS_DRAINED_ANEW(i)) ->
#ifdef BREAK_ROLLS_AGAIN
		d_step { MARK(i); dirty = true }
#else
		d_step { turn[i] = NONE; dirty = true }
#endif
	:: else
	fi
}

#ifdef BREAK_LAST_ONE
#define MAY_TAKE(i) (turn[i] == DUE)
#else
#define MAY_TAKE(i) (turn[i] == DUE && (!IS_UP(i) || SPARES(i)))
#endif
#define COMES_UP(i) (state[i] == STATE_STARTING || goal[i] == RESTART)

/* next_of(): those that serve nobody first */
inline next_turn()
{
	d_step {
		next = NOBODY;
		if
		:: turn[0] == DUE && !IS_UP(0) -> next = 0
		:: else ->
			if
			:: turn[1] == DUE && !IS_UP(1) -> next = 1
			:: else ->
				if
				:: MAY_TAKE(0) -> next = 0
				:: else ->
					if
					:: MAY_TAKE(1) -> next = 1
					:: else
					fi
				fi
			fi
		fi
	}
}

/* begin_one() */
inline begin(i)
{
	d_step {
		took_the_last = (took_the_last || (was_up[i] && !SPARES(i)));
		turn[i] = NOW;
		old[i] = RUNS(i);
		dirty = true
	}
	if
	:: RUNS(i) -> drain(i, RESTART)
	:: else -> start_by_hand(i)
	fi
}

/* advance() */
inline advance()
{
	if
	:: rolling && turn[0] != NOW && turn[1] != NOW ->
		next_turn();
		if
		:: next != NOBODY -> begin(next)
		:: next == NOBODY && turn[0] == NONE && turn[1] == NONE -> end_roll()
		:: next == NOBODY && (turn[0] == DUE || turn[1] == DUE) && !COMES_UP(0) && !COMES_UP(1) ->
			end_roll()
		:: else
		fi
	:: else
	fi;
	next = NOBODY
}

/* advance() follows */
inline roll_go()
{
	rolling = (turn[0] != NONE || turn[1] != NONE);
	dirty = (dirty || rolling)
}

/* roll_resume() */
inline resume_turn(i)
{
	d_step {
		old[i] = (turn[i] == NOW && goal[i] == RESTART);
		if
		:: turn[i] == NOW && goal[i] == RUN && IS_UP(i) -> turn[i] = NONE
#ifndef BREAK_ROLL_LOST
		:: turn[i] == NOW && !RUNS(i) && state[i] != STATE_BACKOFF ->
			turn[i] = (goal[i] == GOAL_OF_START(i) -> DUE : NONE)
#endif
		:: else
		fi
	}
}
