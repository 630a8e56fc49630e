/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "name_lock.h"
#include "process.h"
#include "shortage.h"
#include "sockets.h"

enum {
	END_TIMEOUT_MS = 10000,
	LOOK_US = 5000, /* until one that is about to be gone is looked for again */
	FOUND_MAX = 16,
	PAUSE_US = 1000000,
	LATER_US = 200000, /* until one is told for whom there was no descriptor */
	NAME_BYTES = 96,
	NAME = KEEPER_SOCKET + 3, /* descriptor of the program that holds its name */
	ASIDE = 16,
};

struct keeper_fifo {
	LIST_ENTRY(keeper_fifo) link;
	struct keeper *keeper;
	uint64_t number;
	int fd;       /* -1: done with, which the process is to be told */
	char *note;   /* NULL then */
	bool is_told; /* to the process that runs now */
};

struct keeper {
	sd_event *event;
	const char *instance, *run_dir;
	pid_t pid;
	int socket;              /* to it, or -1 */
	sd_event_source *source; /* its pidfd */
	sd_event_source *room;   /* some are not told yet: its queue was full */
	sd_event_source *later;  /* or there was no descriptor */
	sd_event_source *pause;  /* until another is started */
	LIST_HEAD(, keeper_fifo) fifos;
	uint64_t last_number;
};

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg);

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

/* 0: it has ended, or was another's pid by then. */
static int end_process(const struct sockets_owner *owner)
{
	struct pollfd end = {.events = POLLIN};
	int socket = sockets_take(owner, &end.fd), done;

	if (socket < 0)
		return 0;
	close(socket); /* it only showed that the pid is still the holder's */
	process_signal(end.fd, SIGKILL);
	done = poll(&end, 1, END_TIMEOUT_MS);
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

static _Noreturn void run_program(const struct keeper *keeper, int socket, int name, pid_t lbd)
{
	char number[16];
	char *argv[] = {(char *)"lbd", (char *)"--keep-output", number, (char *)keeper->run_dir,
			NULL};
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	snprintf(number, sizeof(number), "%d", lbd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	socket = fcntl(socket, F_DUPFD, ASIDE);
	name = fcntl(name, F_DUPFD, ASIDE);
	null = fcntl(null, F_DUPFD, ASIDE);
	dup2(socket, KEEPER_SOCKET);
	dup2(null, STDOUT_FILENO);
	log_to_stderr();
	if (!log_is_lasting())
		dup2(null, STDERR_FILENO);
	dup2(name, NAME);
	close_range(NAME + 1, ~0U, 0);
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

/* The child has its name and its queue from its first moment on, and nobody but the child has the name. */
static int start_process(struct keeper *keeper)
{
	int ends[2], name = take_name(keeper->instance), err = 0;
	pid_t lbd = getpid();

	if (name < 0)
		return name;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		err = -errno;
		close(name);
		return err;
	}
	keeper->pid = fork();
	if (!keeper->pid)
		run_program(keeper, ends[1], name, lbd);
	if (keeper->pid < 0)
		err = -errno;
	close(name);
	close(ends[1]);
	if (err)
		close(ends[0]);
	else
		keeper->socket = ends[0];
	return err;
}

/* -EAGAIN: its queue is full.  Of one that has ended it counts as sent: the next is told anew. */
static int send_note(const struct keeper *keeper, uint64_t number, char *note, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec parts[] = {{&number, sizeof(number)}, {note, note ? strlen(note) + 1 : 0}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	if (sendmsg(keeper->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	    (errno != EAGAIN && !is_shortage(-errno)))
		return 0;
	return -errno;
}

/* 0: it is told, or can never be.  The kernel keeps what is in its queue open. */
static int tell(const struct keeper *keeper, const struct keeper_fifo *fifo)
{
	char path[32];
	int fd, err;

	if (fifo->fd < 0)
		return send_note(keeper, fifo->number, NULL, -1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fifo->fd);
	/* No writer itself: the kernel tells it when there is none. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return is_shortage(-errno) ? -errno : 0;
	err = send_note(keeper, fifo->number, fifo->note, fd);
	close(fd);
	return err;
}

static int on_later(sd_event_source *source, uint64_t now, void *arg)
{
	struct keeper *keeper = arg;

	(void)source, (void)now;
	return keeper->room ? sd_event_source_set_enabled(keeper->room, SD_EVENT_ON) : 0;
}

/* When its queue has room, or there may be a descriptor. */
static void tell_later(struct keeper *keeper, int err)
{
	sd_event_source_set_enabled(keeper->room, err == -EAGAIN ? SD_EVENT_ON : SD_EVENT_OFF);
	if (err != -EAGAIN)
		clock_arm(keeper->event, &keeper->later, LATER_US, on_later, keeper);
}

static int on_room(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct keeper *keeper = arg;
	struct keeper_fifo *fifo, *next;

	(void)fd, (void)events;
	for (fifo = keeper->fifos.lh_first; fifo; fifo = next) {
		int err = fifo->is_told ? 0 : tell(keeper, fifo);

		next = fifo->link.le_next;
		fifo->is_told = !err;
		if (err) {
			tell_later(keeper, err);
			return 0;
		}
		if (fifo->fd < 0)
			keeper_drop(fifo);
	}
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int watch(struct keeper *keeper)
{
	int pidfd = process_open(keeper->pid), err;

	if (pidfd < 0)
		return pidfd;
	err = sd_event_add_io(keeper->event, &keeper->source, pidfd, EPOLLIN, on_end, keeper);
	if (err < 0) {
		close(pidfd);
		return err;
	}
	sd_event_source_set_io_fd_own(keeper->source, 1);
	err = sd_event_add_io(keeper->event, &keeper->room, keeper->socket, EPOLLOUT, on_room,
			      keeper);
	return err < 0 ? err : 0;
}

/* What is done with is nothing to the next one, which never had it. */
static void forget_process(struct keeper *keeper)
{
	struct keeper_fifo *fifo, *next;

	for (fifo = keeper->fifos.lh_first; fifo; fifo = next) {
		next = fifo->link.le_next;
		if (fifo->fd < 0)
			keeper_drop(fifo);
	}
	keeper->source = sd_event_source_disable_unref(keeper->source);
	keeper->room = sd_event_source_disable_unref(keeper->room);
	keeper->later = sd_event_source_disable_unref(keeper->later);
	if (keeper->socket >= 0)
		close(keeper->socket);
	keeper->socket = -1;
}

static int start(struct keeper *keeper)
{
	struct keeper_fifo *fifo;
	int err = start_process(keeper);

	if (err)
		return err;
	for (fifo = keeper->fifos.lh_first; fifo; fifo = fifo->link.le_next)
		fifo->is_told = false;
	err = watch(keeper);
	if (!err)
		return 0;
	kill(keeper->pid, SIGKILL);
	waitpid(keeper->pid, NULL, 0);
	forget_process(keeper);
	return err;
}

static int on_pause(sd_event_source *source, uint64_t now, void *arg)
{
	struct keeper *keeper = arg;
	int err = start(keeper);

	(void)source, (void)now;
	if (err) {
		log_warning("the keeper of the output: %s", strerror(-err));
		clock_arm(keeper->event, &keeper->pause, PAUSE_US, on_pause, keeper);
	}
	return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct keeper *keeper = arg;

	(void)source, (void)fd, (void)events;
	forget_process(keeper);
	waitpid(keeper->pid, NULL, WNOHANG);
	log_warning("pid %d, which keeps the output of workers when lbd dies, has ended; started "
		    "again",
		    keeper->pid);
	clock_arm(keeper->event, &keeper->pause, PAUSE_US, on_pause, keeper);
	return 0;
}

int keeper_start(sd_event *event, const char *instance, const char *run_dir, struct keeper **out,
		 struct error *error)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int err;

	if (!keeper)
		return error_set(error, -ENOMEM, "out of memory");
	*out = keeper;
	keeper->event = event;
	keeper->instance = instance;
	keeper->run_dir = run_dir;
	keeper->socket = -1;
	LIST_INIT(&keeper->fifos);
	err = start(keeper);
	return err ? error_set(error, err, "the keeper of the output: %s", strerror(-err)) : 0;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	forget_process(keeper);
	sd_event_source_disable_unref(keeper->pause);
	free(keeper);
}

static void tell_or_later(struct keeper_fifo *fifo)
{
	struct keeper *keeper = fifo->keeper;
	int err = keeper->socket < 0 ? 0 : tell(keeper, fifo);

	fifo->is_told = keeper->socket >= 0 && !err;
	if (err)
		tell_later(keeper, err);
}

struct keeper_fifo *keeper_add(struct keeper *keeper, int fifo_fd, char *note)
{
	struct keeper_fifo *fifo = keeper && note ? calloc(1, sizeof(*fifo)) : NULL;

	if (!fifo) {
		free(note);
		return NULL;
	}
	fifo->keeper = keeper;
	fifo->number = ++keeper->last_number;
	fifo->fd = fifo_fd;
	fifo->note = note;
	LIST_INSERT_HEAD(&keeper->fifos, fifo, link);
	tell_or_later(fifo);
	return fifo;
}

void keeper_drop(struct keeper_fifo *fifo)
{
	if (!fifo)
		return;
	LIST_REMOVE(fifo, link);
	free(fifo->note);
	free(fifo);
}

void keeper_done(struct keeper_fifo *fifo)
{
	if (!fifo)
		return;
	if (!fifo->is_told || fifo->keeper->socket < 0) {
		keeper_drop(fifo);
		return;
	}
	free(fifo->note);
	fifo->note = NULL;
	fifo->fd = -1;
	tell_or_later(fifo);
	if (fifo->is_told)
		keeper_drop(fifo);
}
