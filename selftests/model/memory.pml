/* SPDX-License-Identifier: Apache-2.0 */
/* What there is, by whom it is kept, and what is said of it: of lbd.pml. */
#define WORKERS 2
#define OTHER(i) (1 - (i))
#define NOBODY WORKERS

mtype:goal = { RUN, DRAIN, STOP, RESTART, LEAVE };
mtype:turn = { NONE, DUE, NOW };

/* The world. */
byte alive[WORKERS]; /* processes that run the worker's program */
bool listens[WORKERS];
bool mute[WORKERS];      /* runs on without its listener */
bool signalled[WORKERS]; /* told to end */
bool chosen[WORKERS];    /* by the kernel side, if it listens */
bool record[WORKERS];
mtype:state kept_state[WORKERS] = STATE_STOPPED;
mtype:goal kept_goal[WORKERS] = RUN;
mtype:turn kept_turn[WORKERS] = NONE;
bool kept_out_kept[WORKERS];
bool configured[WORKERS];
bool leaves[WORKERS]; /* RUNDIR/leaving */

/* lbd's memory. */
mtype:state state[WORKERS] = STATE_STOPPED;
mtype:goal goal[WORKERS] = RUN;
mtype:turn turn[WORKERS] = NONE;
bool kept_out[WORKERS]; /* drained by command, whatever is done with its processes */
bool old[WORKERS];    /* the process that the turn is to replace */
bool awaits[WORKERS]; /* the end of the other, which leaves and has its port */
bool rolling;
bool dirty;   /* something is to be remembered */
bool changed; /* a state, in this turn of the loop */
bool idle;    /* lbd waits for events: all that it knows is taken back */
bool crashed;

/* Kept by nobody: what properties are about. */
bool told_drained[WORKERS]; /* and nobody has asked to undrain it since */
bool was_up[WORKERS];       /* and has neither ended nor been taken out since */
bool took_the_last;

byte crashes = CRASHES, deaths = DEATHS, verbs = VERBS;

#define IS_UP(i) (state[i] == STATE_UP)
#define RUNS(i)                                                                                    \
	(state[i] == STATE_STARTING || IS_UP(i) || state[i] == STATE_DOWN ||                       \
	 state[i] == STATE_DRAINING || state[i] == STATE_DRAINED || state[i] == STATE_STOPPING)
#define MAY_BE_CHOSEN(i)                                                                           \
	(goal[i] == RUN && (IS_UP(i) || state[i] == STATE_STARTING || state[i] == STATE_DOWN ||    \
			    state[i] == STATE_BACKOFF))

#ifdef BREAK_START_PUTS_BACK
#define GOAL_OF_START(i) RUN
#else
#define GOAL_OF_START(i) (kept_out[i] -> DRAIN : RUN)
#endif

#ifdef SAME_PORT
#define HAS_HOLDER(i) (goal[OTHER(i)] == LEAVE && RUNS(OTHER(i)))
#define SPARES(i) true
#else
#define HAS_HOLDER(i) false
#define SPARES(i) IS_UP(OTHER(i))
#endif
