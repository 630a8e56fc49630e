/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shortage.h"
#include "host/net/sockets.h"
#include "host/process/close_range.h"
#include "host/process/name_lock.h"
#include "host/process/process.h"
#include "host/process/program.h"
#include "host/process/stranger.h"
#include "keeper/kept_notify.h"
#include "keeper/protocol.h"

enum {
	ASK_TIMEOUT_MS = 5000,
	END_TIMEOUT_MS = 10000,
	GONE_TIMEOUT_US = 2000 * 1000, /* for one that dies, or has not come to its program */
	LOOK_US = 5000,                /* until one that is about to be gone is looked for again */
	NAME_BYTES = 96,
	ASIDE = 16,
};

static void name_prefix(const char *instance, char prefix[NAME_BYTES])
{
	snprintf(prefix, NAME_BYTES, "lbd/%s/output/", instance);
}

/* By its words, which are root's where it is lbd: others know of no way to start that. */
static bool is_keeper(pid_t pid)
{
	char path[32], words[64] = {0};
	bool is_one = false;
	ssize_t length;
	int fd;

	if (pid == getpid() || !program_is_of(pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, words, sizeof(words) - 2);
	if (length > 0)
		is_one = !strcmp(words + strlen(words) + 1, KEEPER_OPTION);
	close(fd);
	return is_one;
}

/* How many names there are, or -errno, and a keeper that has one of them; its pid 0: none. */
static int find_keeper(const char *instance, bool (*may_be)(pid_t pid),
		       struct sockets_holder *holder)
{
	struct sockets_holder *holders = NULL;
	char prefix[NAME_BYTES];
	uint32_t *inodes;
	int count;

	name_prefix(instance, prefix);
	count = name_find(prefix, &inodes);
	*holder = (struct sockets_holder){0};
	if (count > 0)
		holders = calloc(count, sizeof(*holders));
	if (holders)
		sockets_find_holders_among(may_be, inodes, count, holders);
	for (int i = 0; holders && i < count && !holder->pid; i++)
		*holder = holders[i];
	free(holders);
	free(inodes);
	return count;
}

/* -1: it has none, as it is an older one, or has not come so far. */
static int take_next(int pidfd)
{
	int fd = pidfd_getfd(pidfd, KEEPER_NEXT, 0), domain = 0, type = 0;
	socklen_t length = sizeof(int);

	if (fd < 0 || (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) &&
		       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) && domain == AF_UNIX &&
		       type == SOCK_SEQPACKET))
		return fd;
	close(fd);
	return -1;
}

/* Whether it has ended, and all that it has given is here. */
static bool receive_all(int pidfd, int next, struct kept_notifies **given)
{
	struct pollfd ends[] = {{pidfd, POLLIN, 0}, {next, POLLIN, 0}};

	while (!ends[0].revents && poll(ends, 2, ASK_TIMEOUT_MS) > 0)
		if (ends[1].revents && !kept_notify_receive(next, given))
			ends[1].fd = -1;
	while (next >= 0 && kept_notify_receive(next, given))
		;
	return ends[0].revents;
}

/* SIGTERM first: what only it has goes on without it (keeping/output.h), which SIGKILL would lose. */
static bool end_by_signals(int pidfd, struct kept_notifies **given)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	int next = given ? take_next(pidfd) : -1;
	bool has_ended;

	process_signal(pidfd, SIGTERM);
	process_signal(pidfd, SIGCONT);
	has_ended = receive_all(pidfd, next, given);
	if (!has_ended) {
		process_signal(pidfd, SIGKILL);
		has_ended = poll(&end, 1, END_TIMEOUT_MS) > 0;
	}
	if (next >= 0)
		close(next);
	return has_ended;
}

/* Whether it has ended.  Its pid may have become another's: it is looked at again when the pidfd is there. */
static bool end_process(const struct sockets_holder *holder, struct kept_notifies **given)
{
	struct sockets_taken taken;
	int err = sockets_take(holder, &taken), pidfd = taken.pidfd;
	bool has_ended;

	if (!err) {
		taken.pidfd = -1;
		sockets_give_back(&taken);
	}
	stranger_flush();
	if (err)
		return false;
	has_ended = is_keeper(holder->pid) && end_by_signals(pidfd, given);
	waitpid(holder->pid, NULL, WNOHANG); /* of this lbd, or of the program before a reexec */
	close(pidfd);
	return has_ended;
}

static bool is_any(pid_t pid)
{
	(void)pid;
	return true;
}

/* It hinders nothing: the name of our own keeper is another. */
static void warn_of_name(const char *instance, pid_t keeper)
{
	char who[64] = "a process that cannot be seen";
	struct sockets_holder holder;

	if (keeper) {
		log_warning("pid %d, which keeps the output of workers for an lbd before, does not "
			    "end: it has been killed, and does when it can",
			    keeper);
		return;
	}
	if (find_keeper(instance, is_any, &holder) > 0 && holder.pid)
		snprintf(who, sizeof(who), "%s (pid %d)", holder.comm, holder.pid);
	log_warning("%s, which is no lbd, holds an abstract Unix address that begins with "
		    "@lbd/%s/output/: that is of no consequence",
		    who, instance);
}

/* That it cannot be looked for now does not mean that there is none. */
static bool may_be_there(int count)
{
	return count > 0 || is_shortage(count);
}

int keeper_end(const char *instance, struct kept_notifies **given, struct error *error)
{
	uint64_t until_us = 0;
	struct sockets_holder holder;
	int count;

	while (may_be_there(count = find_keeper(instance, is_keeper, &holder))) {
		if (holder.pid && end_process(&holder, given)) {
			until_us = 0;
			continue;
		}
		/* Its time begins with the first try: to find it may take long on a busy machine. */
		if (!until_us)
			until_us = clock_us() + GONE_TIMEOUT_US;
		if (clock_us() >= until_us)
			break;
		usleep(LOOK_US); /* nothing tells of an address that is free again */
	}
	if (count > 0)
		warn_of_name(instance, holder.pid);
	return count < 0 ? error_set(error, count,
				     "a process that keeps the output of workers for an lbd before "
				     "cannot be looked for: sock_diag: %s",
				     strerror(-count))
			 : 0;
}

static _Noreturn void run_program(const char *run_dir, int socket, int name, const int give[2],
				  pid_t lbd)
{
	char number[16];
	char *argv[] = {(char *)"lbd", (char *)KEEPER_OPTION, number, (char *)run_dir, NULL};
	int null = open("/dev/null", O_RDWR), next = fcntl(give[0], F_DUPFD, ASIDE),
	    gives = fcntl(give[1], F_DUPFD, ASIDE);
	sigset_t asked;

	snprintf(number, sizeof(number), "%d", lbd);
	/* Until it can see to what it has. */
	sigemptyset(&asked);
	sigaddset(&asked, SIGTERM);
	sigprocmask(SIG_SETMASK, &asked, NULL);
	setsid();
	socket = fcntl(socket, F_DUPFD, ASIDE);
	name = fcntl(name, F_DUPFD, ASIDE);
	null = fcntl(null, F_DUPFD, ASIDE);
	dup2(socket, KEEPER_SOCKET);
	dup2(null, STDOUT_FILENO);
	log_to_stderr();
	if (!log_is_lasting())
		dup2(null, STDERR_FILENO);
	dup2(name, KEEPER_NAME);
	dup2(next, KEEPER_NEXT);
	dup2(gives, KEEPER_GIVES);
	close_range_at_once(KEEPER_GIVES + 1, ~0U);
	/* This very version, whatever has been installed since. */
	execv("/proc/self/exe", argv);
	_exit(127);
}

/* A random one: a stranger who had it first would keep the keeper from being found. */
static int take_name(const char *instance)
{
	struct name_holder holder;
	char name[2 * NAME_BYTES], prefix[NAME_BYTES];
	uint64_t word;

	if (getrandom(&word, sizeof(word), 0) != sizeof(word))
		return -errno;
	name_prefix(instance, prefix);
	snprintf(name, sizeof(name), "%s%016" PRIx64, prefix, word);
	return name_lock(name, &holder);
}

static void close_both(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

/* Its queue, and the one by which it gives. */
static int make_queues(int ends[2], int give[2])
{
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, give))
		return 0;
	err = -errno;
	close_both(ends);
	return err;
}

int keeper_process_start(const char *instance, const char *run_dir, pid_t *pid)
{
	int ends[2] = {-1, -1}, give[2] = {-1, -1}, name = take_name(instance), err;
	pid_t lbd = getpid();

	if (name < 0)
		return name;
	err = make_queues(ends, give);
	if (err) {
		close(name);
		return err;
	}
	*pid = fork();
	if (!*pid)
		run_program(run_dir, ends[1], name, give, lbd);
	if (*pid < 0)
		err = -errno;
	close(name);
	close_both(give);
	close(ends[1]);
	if (err)
		close(ends[0]);
	return err ? err : ends[0];
}
