/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/{leave/leave,leave/record,reconcile/reconcile}.c, where two pools have one port: of lbd.pml. */
#ifdef SAME_PORT
inline forget(i)
{
	d_step {
		state[i] = STATE_STOPPED; goal[i] = RUN; turn[i] = NONE; kept_out[i] = false;
		chosen[i] = false; awaits[i] = false; leaves[i] = false
	}
}

inline reap(i)
{
	if
	:: goal[i] == LEAVE && !RUNS(i) ->
		forget(i);
		if
		:: awaits[OTHER(i)] && goal[OTHER(i)] == RUN && !RUNS(OTHER(i)) -> start(OTHER(i), EVENT_START)
		:: else
		fi
	:: else
	fi
}

/* reconcile_commit(): the configuration has the other one from now on; it may be on its way out still */
inline move(i)
{
	rolling = false; turn[i] = NONE;
	if
	:: RUNS(i) -> awaits[i] = false; leaves[i] = true; drain(i, LEAVE)
	:: else -> forget(i)
	fi;
	kept_out[OTHER(i)] = false; /* come_back() */
	if
	:: goal[OTHER(i)] == LEAVE && state[OTHER(i)] == STATE_STOPPING -> goal[OTHER(i)] = RESTART
	:: goal[OTHER(i)] == LEAVE && state[OTHER(i)] != STATE_STOPPING -> undrain(OTHER(i))
	:: else -> start(OTHER(i), EVENT_START)
	fi;
	d_step {
		configured[i] = false; configured[OTHER(i)] = true; leaves[OTHER(i)] = false;
		dirty = true
	}
}
#endif
