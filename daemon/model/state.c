/* SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

#include <stddef.h>

/* clang-format off */
static const unsigned char transitions[STATE_COUNT][EVENT_COUNT] = {
	[STATE_STOPPED] = {
		[EVENT_START] = STATE_STARTING,
		[EVENT_EXIT] = STATE_BACKOFF, /* could not even be spawned */
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
	[STATE_STARTING] = {
		[EVENT_READY] = STATE_UP,
		[EVENT_LOST] = STATE_DOWN, /* late, but kept */
		[EVENT_DRAIN] = STATE_DRAINING,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_EXIT] = STATE_BACKOFF,
		[EVENT_EXIT_KEPT] = STATE_EXITED,
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
	[STATE_UP] = {
		[EVENT_LOST] = STATE_DOWN,
		[EVENT_DRAIN] = STATE_DRAINING,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_EXIT] = STATE_BACKOFF,
		[EVENT_EXIT_KEPT] = STATE_EXITED,
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
	[STATE_DOWN] = {
		[EVENT_READY] = STATE_UP,
		[EVENT_DRAIN] = STATE_DRAINING,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_EXIT] = STATE_BACKOFF,
		[EVENT_EXIT_KEPT] = STATE_EXITED,
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
	[STATE_DRAINING] = {
		[EVENT_UNDRAIN] = STATE_DOWN,
		[EVENT_EMPTY] = STATE_DRAINED,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_EXIT] = STATE_BACKOFF,
		[EVENT_EXIT_KEPT] = STATE_EXITED,
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
	[STATE_DRAINED] = {
		[EVENT_UNDRAIN] = STATE_DOWN,
		[EVENT_STOP] = STATE_STOPPING,
		[EVENT_EXIT] = STATE_BACKOFF,
		[EVENT_EXIT_KEPT] = STATE_EXITED,
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
	[STATE_STOPPING] = {
		[EVENT_EXIT] = STATE_STOPPED,
		[EVENT_EXIT_KEPT] = STATE_STOPPED,
		[EVENT_EXIT_FATAL] = STATE_STOPPED,
	},
	[STATE_BACKOFF] = {
		[EVENT_RETRY] = STATE_STARTING,
		[EVENT_START] = STATE_STARTING,
		[EVENT_STOP] = STATE_STOPPED,
		[EVENT_EXIT] = STATE_BACKOFF,
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
	[STATE_EXITED] = {
		[EVENT_START] = STATE_STARTING,
		[EVENT_STOP] = STATE_STOPPED,
		[EVENT_EXIT] = STATE_BACKOFF,
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
	[STATE_FATAL] = {
		[EVENT_START] = STATE_STARTING,
		[EVENT_STOP] = STATE_STOPPED,
		[EVENT_EXIT] = STATE_BACKOFF,
		[EVENT_EXIT_FATAL] = STATE_FATAL,
	},
};
/* clang-format on */

static const char *const names[STATE_COUNT] = {
	[STATE_NONE] = "none",       [STATE_STOPPED] = "stopped",   [STATE_STARTING] = "starting",
	[STATE_UP] = "up",           [STATE_DOWN] = "down",         [STATE_DRAINING] = "draining",
	[STATE_DRAINED] = "drained", [STATE_STOPPING] = "stopping", [STATE_BACKOFF] = "backoff",
	[STATE_EXITED] = "exited",   [STATE_FATAL] = "fatal",
};

enum state state_next(enum state state, enum state_event event)
{
	return transitions[state][event];
}

const char *state_name(enum state state)
{
	return names[state];
}

bool state_has_process(enum state state)
{
	switch (state) {
	case STATE_STARTING:
	case STATE_UP:
	case STATE_DOWN:
	case STATE_DRAINING:
	case STATE_DRAINED:
	case STATE_STOPPING:
		return true;
	default:
		return false;
	}
}
