/* SPDX-License-Identifier: Apache-2.0 */
#include "keep_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "clock.h"
#include "keeper.h"
#include "log.h"
#include "output_flow.h"
#include "process.h"
#include "shortage.h"

#define COMM "lbd-output"

enum { AGAIN_US = 1000000 };

/* A FIFO that somebody may still write to. */
struct held {
	LIST_ENTRY(held) link;
	struct stat st;
	uint64_t number; /* see KEEPER_SOCKET */
	int fd;          /* -1: flow has it */
	char *note;
	sd_event_source *hung;    /* until it is read */
	struct output_flow *flow; /* from then on */
};

static struct {
	sd_event *event;
	const char *run_dir;
	LIST_HEAD(, held) held;
	bool is_alone;          /* lbd is dead */
	bool is_short;          /* some are not read yet: see shortage.h */
	sd_event_source *again; /* until that is tried again */
} keep;

static void let_go(struct held *held)
{
	sd_event_source_disable_unref(held->hung);
	output_flow_free(held->flow);
	if (held->fd >= 0)
		close(held->fd);
	LIST_REMOVE(held, link);
	free(held->note);
	free(held);
}

/*
 * Nobody has it open but we.  lbd closes one when it has taken all that was in it; else lbd is about to be
 * dead, and what is left is ours to write then.
 */
static int on_hung(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct held *held = arg;
	int left = 0;

	(void)events;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (!ioctl(fd, FIONREAD, &left) && !left)
		let_go(held);
	return 0;
}

static struct held *find(uint64_t number)
{
	struct held *held;

	LIST_FOREACH(held, &keep.held, link)
	{
		if (held->number == number)
			return held;
	}
	return NULL;
}

static struct held *hold(int fd, uint64_t number, const char *note)
{
	struct held *held = calloc(1, sizeof(*held));

	if (!held || !(held->note = strdup(note)) || fstat(fd, &held->st) ||
	    sd_event_add_io(keep.event, &held->hung, fd, 0, on_hung, held) < 0) {
		if (held)
			free(held->note);
		free(held);
		close(fd);
		return NULL;
	}
	held->fd = fd;
	held->number = number;
	LIST_INSERT_HEAD(&keep.held, held, link);
	return held;
}

/* lbd is done with it, if it is still here. */
static void take_word(uint64_t number)
{
	struct held *held = find(number);

	if (held)
		let_go(held);
}

/* One for which there was no descriptor. */
static void say_lost(void)
{
	static bool is_said;

	if (!is_said)
		log_warning(COMM ": no descriptor is left for a worker's FIFO, which is looked "
				 "for by its name when lbd is dead");
	is_said = true;
}

/* false with errno EAGAIN: not now; else there will be no more. */
static bool receive(void)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char note[KEEPER_NOTE_BYTES_MAX];
	uint64_t number = 0;
	struct iovec parts[] = {{&number, sizeof(number)}, {note, sizeof(note) - 1}};
	struct msghdr message = {.msg_iov = parts,
				 .msg_iovlen = 2,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t n;
	int fd;

	errno = 0;
	n = recvmsg(KEEPER_SOCKET, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < (ssize_t)sizeof(number))
		return false;
	note[n - sizeof(number)] = 0;
	if (message.msg_controllen >= sizeof(control.header) &&
	    control.header.cmsg_type == SCM_RIGHTS) {
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
		hold(fd, number, note);
	} else if (message.msg_flags & MSG_CTRUNC) {
		say_lost();
	} else {
		take_word(number);
	}
	return true;
}

static int on_message(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)fd, (void)events, (void)arg;
	if (!receive() && errno != EAGAIN)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void end_when_done(void)
{
	if (keep.is_alone && LIST_EMPTY(&keep.held) && !keep.is_short)
		sd_event_exit(keep.event, 0);
}

static void on_ended(void *arg)
{
	let_go(arg);
	end_when_done();
}

/* For the rest of this process's life. */
static void read_on(struct held *held)
{
	int err;

	held->hung = sd_event_source_disable_unref(held->hung);
	err = output_flow_resume(keep.event, held->fd, held->note, &held->flow);
	if (is_shortage(err)) {
		keep.is_short = true;
	} else if (err) {
		let_go(held);
	} else {
		held->fd = -1;
		output_flow_on_end(held->flow, on_ended, held);
	}
}

static bool is_held(const struct stat *st)
{
	struct held *held;

	LIST_FOREACH(held, &keep.held, link)
	{
		if (held->st.st_ino == st->st_ino && held->st.st_dev == st->st_dev)
			return true;
	}
	return false;
}

/* One that did not come: its keeper died with lbd, or lbd did not get so far. */
static void read_named(void *arg, int fd, const char *fifo, char *note)
{
	struct held *held;
	struct stat st;
	int writer;

	(void)arg;
	if (fstat(fd, &st) || is_held(&st)) {
		close(fd);
		return;
	}
	writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (writer < 0 && is_shortage(-errno)) {
		keep.is_short = true;
		close(fd);
		return;
	}
	held = hold(fd, 0, note);
	if (held)
		read_on(held);
	/* Without a writer since this reader came, the kernel would not tell that there is none. */
	if (writer >= 0)
		close(writer);
}

static void read_all(void);

static int on_again(sd_event_source *source, uint64_t now, void *arg)
{
	(void)source, (void)now, (void)arg;
	read_all();
	return 0;
}

static void read_all(void)
{
	struct held *held, *next;

	keep.is_short = false;
	if (!output_each_fifo(keep.run_dir, read_named, NULL))
		keep.is_short = true;
	for (held = LIST_FIRST(&keep.held); held; held = next) {
		next = LIST_NEXT(held, link);
		if (!held->flow)
			read_on(held);
	}
	if (keep.is_short)
		clock_arm(keep.event, &keep.again, AGAIN_US, on_again, NULL);
	end_when_done();
}

/* All that lbd had handed on is in the queue. */
static void go_on_alone(void)
{
	while (receive())
		;
	keep.is_alone = true;
	read_all();
}

static int on_death(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)fd, (void)events, (void)arg;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	go_on_alone();
	return 0;
}

/* What takes descriptors is made now: when lbd is dead there may be none left. */
static int prepare(void)
{
	sd_event_source *messages;
	int err = sd_event_new(&keep.event);

	if (err >= 0)
		err = sd_event_add_io(keep.event, &messages, KEEPER_SOCKET, EPOLLIN, on_message,
				      NULL);
	if (err >= 0)
		err = clock_arm(keep.event, &keep.again, AGAIN_US, on_again, NULL);
	if (err >= 0)
		err = sd_event_source_set_enabled(keep.again, SD_EVENT_OFF);
	return err < 0 ? err : output_flow_prepare();
}

int keep_output_run(const char *run_dir, pid_t lbd)
{
	int pidfd = process_open(lbd);
	sd_event_source *death;

	prctl(PR_SET_NAME, COMM);
	keep.run_dir = run_dir;
	if (prepare())
		return 1;
	/* A parent's pid is no other process's yet. */
	if (pidfd < 0 || getppid() != lbd)
		go_on_alone();
	else if (sd_event_add_io(keep.event, &death, pidfd, EPOLLIN, on_death, NULL) < 0)
		return 1;
	return sd_event_loop(keep.event) < 0;
}
