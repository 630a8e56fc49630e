/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "keeper.h"
#include "log.h"
#include "name_lock.h"
#include "process.h"
#include "sockets.h"
#include "stranger.h"

enum {
	ASK_TIMEOUT_MS = 5000,
	END_TIMEOUT_MS = 10000,
	LOOK_US = 5000, /* until one that is about to be gone is looked for again */
	FOUND_MAX = 16,
	NAME_BYTES = 96,
	ASIDE = 16,
};

static void name_prefix(const char *instance, char prefix[NAME_BYTES])
{
	snprintf(prefix, NAME_BYTES, "lbd/%s/output/", instance);
}

/* How many there are, or -errno, and one of them; its pid 0: it is about to be gone. */
static int find(const char *instance, struct sockets_owner *owner)
{
	struct sockets_owner owners[FOUND_MAX] = {0};
	uint32_t inodes[FOUND_MAX];
	char prefix[NAME_BYTES];
	int count;

	name_prefix(instance, prefix);
	count = name_find(prefix, inodes, FOUND_MAX);
	*owner = (struct sockets_owner){0};
	if (count > 0)
		sockets_find_owners(inodes, count, owners);
	for (int i = 0; i < count && !owner->pid; i++)
		*owner = owners[i];
	return count;
}

/*
 * 0: it has ended, or was another's pid by then.  Asked to first: what only it has goes on without it
 * (keep_output.h), which SIGKILL would lose.
 */
static int end_process(const struct sockets_owner *owner)
{
	struct sockets_taken taken;
	int err = sockets_take(owner, &taken), done;
	struct pollfd end = {.fd = taken.pidfd, .events = POLLIN};

	/* It only shows that the pid is still the holder's. */
	if (!err) {
		taken.pidfd = -1;
		sockets_give_back(&taken);
	}
	stranger_flush();
	if (err)
		return 0;
	process_signal(end.fd, SIGTERM);
	process_signal(end.fd, SIGCONT);
	done = poll(&end, 1, ASK_TIMEOUT_MS);
	if (!done) {
		process_signal(end.fd, SIGKILL);
		done = poll(&end, 1, END_TIMEOUT_MS);
	}
	waitpid(owner->pid, NULL, WNOHANG); /* of this lbd, or of the program before a reexec */
	close(end.fd);
	return done ? 0 : -ETIMEDOUT;
}

int keeper_end(const char *instance, struct error *error)
{
	uint64_t last_us = UINT64_MAX;
	struct sockets_owner owner;
	int count = 0, err = 0;

	/* Its time begins with the first try: to find it may take long on a busy machine. */
	while (!err && (count = find(instance, &owner)) > 0) {
		if (owner.pid)
			err = end_process(&owner);
		else if (clock_us() < last_us)
			usleep(LOOK_US); /* nothing tells of an address that is free again */
		else
			err = -ETIMEDOUT;
		if (last_us == UINT64_MAX)
			last_us = clock_us() + END_TIMEOUT_MS * 1000;
	}
	if (err)
		return error_set(error, err,
				 "the process that keeps the output of workers (pid %d; 0: not to "
				 "be seen) does not end: %s",
				 owner.pid, strerror(-err));
	if (count < 0)
		log_warning("a process that keeps the output of workers for an lbd before cannot "
			    "be looked for: sock_diag: %s",
			    strerror(-count));
	return 0;
}

static _Noreturn void run_program(const char *run_dir, int socket, int name, pid_t lbd)
{
	char number[16];
	char *argv[] = {(char *)"lbd", (char *)"--keep-output", number, (char *)run_dir, NULL};
	int null = open("/dev/null", O_RDWR);
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
	close_range(KEEPER_NAME + 1, ~0U, 0);
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

int keeper_process_start(const char *instance, const char *run_dir, pid_t *pid)
{
	int ends[2], name = take_name(instance), err = 0;
	pid_t lbd = getpid();

	if (name < 0)
		return name;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		err = -errno;
		close(name);
		return err;
	}
	*pid = fork();
	if (!*pid)
		run_program(run_dir, ends[1], name, lbd);
	if (*pid < 0)
		err = -errno;
	close(name);
	close(ends[1]);
	if (err)
		close(ends[0]);
	return err ? err : ends[0];
}
