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

#include "keeper.h"
#include "output_flow.h"
#include "process.h"

#define COMM "lbd-output"

/* A FIFO that somebody may still write to. */
struct held {
	LIST_ENTRY(held) link;
	struct stat st;
	uint64_t number; /* see KEEPER_SOCKET */
	int fd;          /* until lbd is dead */
	char *note;
	sd_event_source *hung;
};

static struct {
	sd_event *event;
	const char *run_dir;
	LIST_HEAD(, held) held;
	unsigned read; /* FIFOs, since lbd is dead */
} keep;

static void forget(struct held *held)
{
	sd_event_source_disable_unref(held->hung);
	LIST_REMOVE(held, link);
	free(held->note);
	free(held);
}

static void close_held(struct held *held)
{
	int fd = held->fd;

	forget(held);
	close(fd);
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
		close_held(held);
	return 0;
}

/* lbd is done with it, if it is still here. */
static void let_go(uint64_t number)
{
	struct held *held;

	LIST_FOREACH(held, &keep.held, link)
	{
		if (held->number == number) {
			close_held(held);
			return;
		}
	}
}

static void hold(int fd, uint64_t number, const char *note)
{
	struct held *held = calloc(1, sizeof(*held));

	if (!held || !(held->note = strdup(note)) || fstat(fd, &held->st) ||
	    sd_event_add_io(keep.event, &held->hung, fd, 0, on_hung, held) < 0) {
		if (held)
			free(held->note);
		free(held);
		close(fd);
		return;
	}
	held->fd = fd;
	held->number = number;
	LIST_INSERT_HEAD(&keep.held, held, link);
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
	} else {
		let_go(number);
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

static void on_ended(void *arg)
{
	(void)arg;
	if (!--keep.read)
		sd_event_exit(keep.event, 0);
}

/* Takes fd over, for the rest of this process's life. */
static void read_on(int fd, const char *note)
{
	struct output_flow *flow;

	if (output_flow_resume(keep.event, fd, note, &flow)) {
		close(fd);
		return;
	}
	output_flow_on_end(flow, on_ended, NULL);
	keep.read++;
}

/* One that did not come: its keeper died with lbd, or lbd did not get so far. */
static void read_named(void *arg, int fd, const char *fifo, char *note)
{
	struct held *held;
	struct stat st;
	int writer;

	(void)arg;
	if (fstat(fd, &st)) {
		close(fd);
		return;
	}
	LIST_FOREACH(held, &keep.held, link)
	{
		if (held->st.st_ino == st.st_ino && held->st.st_dev == st.st_dev) {
			close(fd);
			return;
		}
	}
	read_on(fd, note);
	/* Without a writer since this reader came, the kernel would not tell that there is none. */
	writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (writer >= 0)
		close(writer);
}

/* All that lbd had handed on is in the queue. */
static void read_all(void)
{
	struct held *held;

	while (receive())
		;
	output_each_fifo(keep.run_dir, read_named, NULL);
	while ((held = LIST_FIRST(&keep.held))) {
		held->hung = sd_event_source_disable_unref(held->hung);
		read_on(held->fd, held->note);
		forget(held);
	}
	if (!keep.read)
		sd_event_exit(keep.event, 0);
}

static int on_death(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)fd, (void)events, (void)arg;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	read_all();
	return 0;
}

int keep_output_run(const char *run_dir, pid_t lbd)
{
	sd_event_source *messages, *death;
	int pidfd = process_open(lbd);

	prctl(PR_SET_NAME, COMM);
	keep.run_dir = run_dir;
	if (sd_event_new(&keep.event) < 0 ||
	    sd_event_add_io(keep.event, &messages, KEEPER_SOCKET, EPOLLIN, on_message, NULL) < 0)
		return 1;
	/* A parent's pid is no other process's yet. */
	if (pidfd < 0 || getppid() != lbd)
		read_all();
	else if (sd_event_add_io(keep.event, &death, pidfd, EPOLLIN, on_death, NULL) < 0)
		return 1;
	return sd_event_loop(keep.event) < 0;
}
