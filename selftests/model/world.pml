/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to lbd and its workers, and what has to be true whatever happens: of lbd.pml. */
active proctype death_of_lbd()
{
end:	do
	:: d_step { crashes && !crashed -> crashes--; crashed = true }
	od
}

proctype worker(byte i)
{
end:	do
	:: d_step { alive[i] && !listens[i] && !mute[i] && !signalled[i] -> listens[i] = true }
	:: d_step { alive[i] && signalled[i] ->
		alive[i]--; listens[i] = false; was_up[i] = false; signalled[i] = false; mute[i] = false }
	:: d_step { alive[i] && deaths ->
		deaths--; alive[i]--; listens[i] = false; was_up[i] = false; signalled[i] = false; mute[i] = false }
	:: d_step { alive[i] && listens[i] && deaths ->
		deaths--; listens[i] = false; was_up[i] = false; mute[i] = true }
	od
}

init
{
	atomic { run worker(0); run worker(1) }
}

/* What may go wrong, or be asked for, need not. */
active proctype rest()
{
end:	do
	:: d_step { crashes || deaths || verbs -> crashes = 0; deaths = 0; verbs = 0 }
	od
}

#define IS_ORPHAN(i) (idle && alive[i] && !RUNS(i))
#define GETS_NEW(i) (told_drained[i] && chosen[i] && listens[i])
#define IS_THERE(i)                                                                                \
	(goal[i] != RUN || !configured[i] || IS_UP(i) || state[i] == STATE_FATAL ||                \
	 state[i] == STATE_EXITED)

/*
 * The properties.  `timeout`: nothing happens any more by itself.  That it always comes to that is shown
 * by there being no cycle at all, for which Spin looks; so nothing depends on who is scheduled fairly.
 * ONLY: one of them.
 */
#define never_doubled 1
#define never_orphaned 2
#define one_owner 3
#define drained_gets_nothing 4
#define never_the_last 5
#define a_roll_ends 6
#define gets_up 7

active proctype properties()
{
end:	if
#if !defined(ONLY) || ONLY == never_doubled
	:: d_step { alive[0] > 1 || alive[1] > 1 -> assert(false) }
#endif
#if !defined(ONLY) || ONLY == never_orphaned
	:: d_step { IS_ORPHAN(0) || IS_ORPHAN(1) -> assert(false) }
#endif
#if defined(SAME_PORT)
	:: d_step { alive[0] && alive[1] -> assert(false) }
#endif
#if !defined(ONLY) || ONLY == drained_gets_nothing
	:: d_step { GETS_NEW(0) || GETS_NEW(1) -> assert(false) }
#endif
#if !defined(SAME_PORT) && (!defined(ONLY) || ONLY == never_the_last)
	:: d_step { took_the_last -> assert(false) }
#endif
#if !defined(ONLY) || ONLY == a_roll_ends
	:: atomic { timeout && rolling -> assert(false) }
#endif
#if !defined(ONLY) || ONLY == gets_up
	:: atomic { timeout && (!IS_THERE(0) || !IS_THERE(1)) -> assert(false) }
#endif
	fi
}
