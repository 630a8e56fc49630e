/* SPDX-License-Identifier: Apache-2.0 */
#include "keeping/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shortage.h"
#include "host/process/process.h"
#include "keeper/protocol.h"
#include "keeping/held.h"
#include "keeping/message.h"
#include "keeping/notify.h"
#include "output/peek.h"

#define COMM "lbd-output"

enum {
	AGAIN_US = 1000000,
	ALONE_US = 20000, /* between two tries of a process that has nothing else to do */
	LEFT_MAX = 64,    /* at the same time: each has a descriptor */
};

static struct {
	sd_event *event;
	const char *run_dir;
	struct held_list held;
	bool is_alone;          /* lbd is dead */
	bool is_short;          /* some are not read yet: see shortage.h */
	sd_event_source *again; /* until that is tried again */
} keep;

static int on_again(sd_event_source *source, uint64_t now, void *arg);

static void try_again(void)
{
	keep.is_short = true;
	clock_arm(keep.event, &keep.again, AGAIN_US, on_again, NULL);
}

static void end_when_done(void)
{
	if (keep.is_alone && LIST_EMPTY(&keep.held) && !keep_notify_any() && !keep.is_short)
		sd_event_exit(keep.event, 0);
}

static void on_ended(void *arg)
{
	held_free(arg);
	end_when_done();
}

/* For the rest of this process's life; may let go of it. */
static void read_on(struct held *held)
{
	int err = held_read(keep.event, held);

	if (is_shortage(err))
		try_again();
	else if (err)
		held_free(held);
	if (err)
		return;
	output_flow_on_end(held->flow, on_ended, held);
	if (held->is_left)
		output_flow_end(held->flow);
}

/* lbd is done with it, if it is still here, or leaves it to us. */
static void take_word(uint64_t number, const char *word)
{
	struct held *held = held_find(&keep.held, number);

	keep_notify_drop(number);
	if (!held)
		return;
	held->is_left = !strcmp(word, KEEPER_LEFT);
	if (!held->is_left) {
		held_free(held);
		return;
	}
	if (held_count_left(&keep.held) > LEFT_MAX) {
		log_warning(COMM ": the last output of a worker that has ended is dropped: that of "
				 "%d others waits to be written",
			    LEFT_MAX);
		held_free(held);
	} else {
		read_on(held);
	}
}

/* One for which there was no descriptor. */
static void say_lost(void)
{
	static bool is_said;

	if (!is_said)
		log_warning(COMM ": no descriptor is left for what a worker has: a FIFO is looked "
				 "for by its name when lbd is dead, a notify socket ends with lbd");
	is_said = true;
}

/* What is said here is not to go to a file that nobody sees any more. */
static void take_log(int fd)
{
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static void take_message(struct keeper_message *message)
{
	const char *note = message->note;
	int *fds = message->fds;

	if (message->is_short) {
		while (message->count)
			close(fds[--message->count]);
		say_lost();
	} else if (message->count == KEEPER_FDS_MAX) {
		keep_notify_add(keep.event, fds, message->number, note, end_when_done);
	} else if (message->count && !strcmp(note, KEEPER_LOG)) {
		take_log(*fds);
	} else if (message->count) {
		held_new(keep.event, &keep.held, *fds, message->number, note);
	} else {
		take_word(message->number, note);
	}
}

/* false with errno EAGAIN: not now; else there will be no more. */
static bool take_next(void)
{
	struct keeper_message message;

	if (!keeper_message_receive(&message))
		return false;
	take_message(&message);
	return true;
}

static int on_message(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)fd, (void)events, (void)arg;
	if (take_next() || errno == EAGAIN)
		return 0;
	/* lbd is dead, or in a reexec, after which the next lbd asks us to end. */
	keep_notify_read(keep.event);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* One that did not come: its keeper died with lbd, or lbd did not get so far. */
static void read_named(void *arg, int fd, const char *fifo, char *note)
{
	struct held *held;
	struct stat st;
	int writer;

	(void)arg;
	if (!note || fstat(fd, &st) || held_has_file(&keep.held, &st)) {
		close(fd);
		return;
	}
	writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (writer < 0 && is_shortage(-errno)) {
		try_again();
		close(fd);
		return;
	}
	held = held_new(keep.event, &keep.held, fd, 0, note);
	if (held)
		read_on(held);
	/* Without a writer since this reader came, the kernel would not tell that there is none. */
	if (writer >= 0)
		close(writer);
}

/* What is ours to read by now, and is not read yet. */
static void read_all(void)
{
	struct held *held, *next;

	keep.is_short = false;
	if (keep.is_alone && !output_each_fifo(keep.run_dir, read_named, NULL))
		try_again();
	for (held = LIST_FIRST(&keep.held); held; held = next) {
		next = LIST_NEXT(held, link);
		if (!held->flow && (keep.is_alone || held->is_left))
			read_on(held);
	}
	end_when_done();
}

static int on_again(sd_event_source *source, uint64_t now, void *arg)
{
	(void)source, (void)now, (void)arg;
	read_all();
	return 0;
}

/* All that lbd had handed on is in the queue. */
static void go_on_alone(void)
{
	while (take_next())
		;
	keep.is_alone = true;
	keep_notify_read(keep.event);
	read_all();
}

static int on_death(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)fd, (void)events, (void)arg;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	go_on_alone();
	return 0;
}

/* In a child, which has not our name: whoever has asked us to end waits until we have. */
static void go_on_apart(void)
{
	uint64_t late_us = clock_us() + OUTPUT_FLOW_REST_US;
	struct held *held, *next;
	pid_t child;

	close(KEEPER_SOCKET);
	close(KEEPER_NAME);
	close(KEEPER_GIVES);
	child = fork();
	if (child < 0)
		log_warning(COMM
			    ": the last output of workers that have ended is dropped: fork: %s",
			    strerror(errno));
	if (child)
		return;
	while (!LIST_EMPTY(&keep.held)) {
		for (held = LIST_FIRST(&keep.held); held; held = next) {
			next = LIST_NEXT(held, link);
			if (held_drain(held, clock_us() >= late_us))
				held_free(held);
		}
		usleep(ALONE_US);
	}
	_exit(0);
}

static int on_asked_to_end(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct held *held, *next;

	(void)source, (void)info, (void)arg;
	while (take_next())
		;
	close(KEEPER_NEXT); /* if that was the last, nobody asks */
	keep_notify_give(KEEPER_GIVES);
	for (held = LIST_FIRST(&keep.held); held; held = next) {
		next = LIST_NEXT(held, link);
		if (held_is_ours(held))
			held_stop_reading(held);
		else
			held_free(held);
	}
	if (!LIST_EMPTY(&keep.held))
		go_on_apart();
	return sd_event_exit(keep.event, 0);
}

/* What takes descriptors is made now: when lbd is dead there may be none left. */
static int prepare_loop(void)
{
	sd_event_source *messages;
	int err = sd_event_new(&keep.event);

	if (err >= 0)
		err = sd_event_add_io(keep.event, &messages, KEEPER_SOCKET, EPOLLIN, on_message,
				      NULL);
	if (err >= 0)
		err = sd_event_add_signal(keep.event, NULL, SIGTERM, on_asked_to_end, NULL);
	if (err >= 0)
		err = clock_arm(keep.event, &keep.again, AGAIN_US, on_again, NULL);
	if (err >= 0)
		err = sd_event_source_set_enabled(keep.again, SD_EVENT_OFF);
	return err < 0 ? err : output_peek_prepare();
}

int keep_output_run(const char *run_dir, pid_t lbd)
{
	int pidfd = process_open(lbd);
	sd_event_source *death;

	prctl(PR_SET_NAME, COMM);
	keep.run_dir = run_dir;
	if (prepare_loop())
		return 1;
	/* A parent's pid is no other process's yet. */
	if (pidfd < 0 || getppid() != lbd)
		go_on_alone();
	else if (sd_event_add_io(keep.event, &death, pidfd, EPOLLIN, on_death, NULL) < 0)
		return 1;
	return sd_event_loop(keep.event) < 0;
}
