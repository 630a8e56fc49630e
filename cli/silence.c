/* SPDX-License-Identifier: Apache-2.0 */
#include "silence.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "host/process/process.h"
#include "lb/ctl.h"

enum { PATIENCE_MS = 2000, WHO_BYTES = 96 };

/* proc_pid_stat(5) */
static const char *state_name(char state)
{
	switch (state) {
	case 'T':
		return " (stopped)";
	case 't':
		return " (held by a debugger)";
	case 'D':
		return " (waits in the kernel)";
	case 'R':
		return " (runs)";
	case 'S':
		return " (sleeps)";
	case 'Z':
		return " (ended)";
	default:
		return "";
	}
}

/* Its state; 0 where it cannot be seen: in another pid namespace. */
static char look_at_lbd(int fd, char who[WHO_BYTES], pid_t *pid)
{
	struct process_stat stat = {0};
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	snprintf(who, WHO_BYTES, "lbd");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) || peer.pid <= 0 ||
	    process_stat(peer.pid, &stat))
		return 0;
	*pid = peer.pid;
	snprintf(who, WHO_BYTES, "lbd (pid %d)", peer.pid);
	return stat.state;
}

void silence_watch(const struct cli *cli, int fd, bool waits)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char who[WHO_BYTES], limit[32] = "", found[48] = "";
	pid_t pid;
	char state;

	if (poll(&ready, 1, PATIENCE_MS))
		return;
	state = look_at_lbd(fd, who, &pid);
	if (waits && state != 'T' && state != 't' && state != 'D')
		return;
	if (!waits)
		snprintf(limit, sizeof(limit), " up to %d s", SILENCE_REPLY_S);
	if (state)
		snprintf(found, sizeof(found), ", state %c%s", state, state_name(state));
	cli_fail(cli, LB_CTL_NO_LBD, "%s does not answer yet%s; waiting%s", who, found, limit);
}

int silence_fail(const struct cli *cli, int fd)
{
	char who[WHO_BYTES];
	pid_t pid = 0;
	char state = look_at_lbd(fd, who, &pid);

	if (state == 'T')
		return cli_fail(cli, LB_CTL_NO_LBD,
				"%s gave no reply within %d s: it is stopped; `kill -CONT %d` lets "
				"it go on",
				who, SILENCE_REPLY_S, pid);
	if (!state)
		return cli_fail(cli, LB_CTL_NO_LBD, "%s gave no reply within %d s; see its log",
				who, SILENCE_REPLY_S);
	return cli_fail(cli, LB_CTL_NO_LBD,
			"%s gave no reply within %d s, state %c%s: see its log; `kill -9 %d` and a "
			"new start leave the workers running",
			who, SILENCE_REPLY_S, state, state_name(state), pid);
}
