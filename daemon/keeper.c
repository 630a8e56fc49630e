/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "keeper_process.h"
#include "log.h"
#include "process.h"
#include "shortage.h"

enum {
	PAUSE_US = 1000000,
	LATER_US = 200000, /* until one is told for whom there was no descriptor */
};

/* What is to become of one that is closed here, which the process is told. */
enum end { IN_USE, DONE, LEFT };

struct keeper_fifo {
	LIST_ENTRY(keeper_fifo) link;
	struct keeper *keeper;
	uint64_t number;
	int fd; /* its user's; LEFT: ours; DONE: none */
	char *note;
	bool is_told; /* of it, to the process that runs now */
	enum end end;
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

/* -EAGAIN: its queue is full; -EPIPE, -ECONNRESET: it has ended.  fd -1: none goes with it. */
static int send_note(const struct keeper *keeper, uint64_t number, const char *note, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec parts[] = {{&number, sizeof(number)},
				{(char *)note, note ? strlen(note) + 1 : 0}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(keeper->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The kernel keeps what is in its queue open. */
static int hand_over(const struct keeper *keeper, const struct keeper_fifo *fifo)
{
	char path[32];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fifo->fd);
	/* No writer itself: the kernel tells it when there is none. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = send_note(keeper, fifo->number, fifo->note, fd);
	close(fd);
	return err;
}

/* What can never be told counts as told. */
static int for_now(int err)
{
	return err == -EAGAIN || err == -EPIPE || err == -ECONNRESET || is_shortage(err) ? err : 0;
}

/* All that the process that runs now is to know of it.  -errno: not now. */
static int tell(const struct keeper *keeper, struct keeper_fifo *fifo)
{
	int err = fifo->is_told ? 0 : for_now(hand_over(keeper, fifo));

	if (err)
		return err;
	fifo->is_told = true;
	if (fifo->end == IN_USE)
		return 0;
	return for_now(send_note(keeper, fifo->number, fifo->end == LEFT ? KEEPER_LEFT : NULL, -1));
}

static int on_later(sd_event_source *source, uint64_t now, void *arg)
{
	struct keeper *keeper = arg;

	(void)source, (void)now;
	return keeper->room ? sd_event_source_set_enabled(keeper->room, SD_EVENT_ON) : 0;
}

/* When its queue has room, or there may be a descriptor.  After its end the next is told all anew. */
static void tell_later(struct keeper *keeper, int err)
{
	sd_event_source_set_enabled(keeper->room, err == -EAGAIN ? SD_EVENT_ON : SD_EVENT_OFF);
	if (is_shortage(err))
		clock_arm(keeper->event, &keeper->later, LATER_US, on_later, keeper);
}

static int on_room(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct keeper *keeper = arg;
	struct keeper_fifo *fifo, *next;

	(void)fd, (void)events;
	for (fifo = keeper->fifos.lh_first; fifo; fifo = next) {
		int err = tell(keeper, fifo);

		next = fifo->link.le_next;
		if (err) {
			tell_later(keeper, err);
			return 0;
		}
		if (fifo->end != IN_USE)
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

/* What is done with is nothing to the next one, which never had it.  is_last: there will be none. */
static void forget_process(struct keeper *keeper, bool is_last)
{
	struct keeper_fifo *fifo, *next;

	for (fifo = keeper->fifos.lh_first; fifo; fifo = next) {
		next = fifo->link.le_next;
		if (fifo->end == DONE || (fifo->end == LEFT && is_last))
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
	int socket = keeper_process_start(keeper->instance, keeper->run_dir, &keeper->pid), err;

	if (socket < 0)
		return socket;
	keeper->socket = socket;
	for (fifo = keeper->fifos.lh_first; fifo; fifo = fifo->link.le_next)
		fifo->is_told = false;
	err = watch(keeper);
	if (!err)
		return 0;
	kill(keeper->pid, SIGKILL);
	waitpid(keeper->pid, NULL, 0);
	forget_process(keeper, false);
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
	forget_process(keeper, false);
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
	forget_process(keeper, true);
	sd_event_source_disable_unref(keeper->pause);
	free(keeper);
}

/* Whether it is told. */
static bool tell_or_later(struct keeper_fifo *fifo)
{
	struct keeper *keeper = fifo->keeper;
	int err = keeper->socket < 0 ? -EPIPE : tell(keeper, fifo);

	if (err && keeper->socket >= 0)
		tell_later(keeper, err);
	return !err;
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
	if (fifo->end == LEFT)
		close(fifo->fd);
	LIST_REMOVE(fifo, link);
	free(fifo->note);
	free(fifo);
}

void keeper_done(struct keeper_fifo *fifo)
{
	if (!fifo)
		return;
	fifo->fd = -1;
	fifo->end = DONE;
	if (!fifo->is_told || fifo->keeper->socket < 0 || tell_or_later(fifo))
		keeper_drop(fifo);
}

void keeper_leave(struct keeper_fifo *fifo, int fifo_fd)
{
	fifo->fd = fifo_fd;
	fifo->end = LEFT;
	if (tell_or_later(fifo))
		keeper_drop(fifo);
}
