/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/aside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "host/process/close_range.h"
#include "host/process/grandchild.h"

enum {
	CALL_MS = 200,
	PATIENCE_MS = 2000, /* with a busy machine: until its turn on a processor has come */
};

struct aside {
	int (*get)(const void *arg);
	const void *arg;
	int end;
};

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void send_result(int end, int result)
{
	union control control = {0};
	struct iovec vector = {&result, sizeof(result)};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	struct cmsghdr *rights;

	if (result >= 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &result, sizeof(result));
	}
	sendmsg(end, &header, MSG_NOSIGNAL);
}

/* SIGALRM ends it, wherever it waits. */
static void run_aside(void *arg)
{
	const struct aside *aside = arg;
	const struct itimerval once = {.it_value.tv_usec = CALL_MS * 1000}, none = {0};
	sigset_t alarm;
	int result;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	signal(SIGALRM, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
	result = aside->get(aside->arg);
	setitimer(ITIMER_REAL, &none, NULL);
	send_result(aside->end, result);
	/* DANGER: the close of that one may last (a FUSE file): then it holds nothing else of lbd's. */
	if (result > 0)
		close_range_at_once(0, result - 1);
	if (result >= 0)
		close_range_at_once(result + 1, ~0U);
	_exit(0);
}

/* What came at the last moment is ours all the same; nothing comes after that. */
static int receive_result(int end)
{
	union control control;
	int result = -ETIMEDOUT;
	struct iovec vector = {&result, sizeof(result)};
	struct msghdr header = {.msg_iov = &vector,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *rights;

	shutdown(end, SHUT_RD);
	if (recvmsg(end, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(result))
		return -ETIMEDOUT;
	if (result < 0)
		return result;
	rights = CMSG_FIRSTHDR(&header);
	if (!rights || rights->cmsg_type != SCM_RIGHTS)
		return -EMFILE;
	memcpy(&result, CMSG_DATA(rights), sizeof(result));
	return result;
}

int aside_get(int (*get)(const void *arg), const void *arg)
{
	struct aside aside = {.get = get, .arg = arg};
	struct pollfd result;
	int ends[2];
	bool started;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	aside.end = ends[1];
	started = grandchild_start(run_aside, &aside);
	close(ends[1]);
	result = (struct pollfd){.fd = ends[0], .events = POLLIN};
	while (started && poll(&result, 1, PATIENCE_MS) < 0 && errno == EINTR)
		;
	result.fd = started ? receive_result(ends[0]) : -EAGAIN;
	close(ends[0]);
	return result.fd;
}
