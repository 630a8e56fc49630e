/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shortage.h"
#include "host/process/process.h"
#include "keeper/process.h"
#include "keeper/protocol.h"
#include "keeper/send.h"

enum {
	PAUSE_US = 1000000,
	LATER_US = 200000, /* until one is told for whom there was no descriptor */
};

/* What is to become of one that is closed here, which the process is told. */
enum end { IN_USE, DONE, LEFT };

struct keeper_entry {
	LIST_ENTRY(keeper_entry) link;
	struct keeper *keeper;
	uint64_t number;
	int fd;    /* its user's; LEFT: ours; DONE: none */
	int pidfd; /* a socket's, its user's; -1: it is a FIFO */
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
	LIST_HEAD(, keeper_entry) entries;
	uint64_t last_number;
	bool is_log_told; /* where it is */
};

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg);

static int hand_over(const struct keeper *keeper, const struct keeper_entry *entry)
{
	if (entry->pidfd >= 0)
		return keeper_send(keeper->socket, entry->number, entry->note,
				   (int[KEEPER_FDS_MAX]){entry->fd, entry->pidfd}, KEEPER_FDS_MAX);
	return keeper_send_fifo(keeper->socket, entry->number, entry->note, entry->fd);
}

/* What can never be told counts as told. */
static int for_now(int err)
{
	return err == -EAGAIN || err == -EPIPE || err == -ECONNRESET || is_shortage(err) ? err : 0;
}

/* All that the process that runs now is to know of it.  -errno: not now. */
static int tell_entry(const struct keeper *keeper, struct keeper_entry *entry)
{
	int err = entry->is_told ? 0 : for_now(hand_over(keeper, entry));

	if (err)
		return err;
	entry->is_told = true;
	if (entry->end == IN_USE)
		return 0;
	return for_now(keeper_send(keeper->socket, entry->number,
				   entry->end == LEFT ? KEEPER_LEFT : NULL, NULL, 0));
}

/* Of a start, too, it is the standard error. */
static int tell_log(struct keeper *keeper)
{
	int log = log_lasting_fd(), null = -1, err;

	if (keeper->is_log_told)
		return 0;
	if (log < 0)
		log = null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	err = log < 0 ? -errno : for_now(keeper_send(keeper->socket, 0, KEEPER_LOG, &log, 1));
	if (null >= 0)
		close(null);
	keeper->is_log_told = !err;
	return err;
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
	struct keeper_entry *entry, *next;
	int err = tell_log(keeper);

	(void)fd, (void)events;
	if (err) {
		tell_later(keeper, err);
		return 0;
	}
	for (entry = keeper->entries.lh_first; entry; entry = next) {
		err = tell_entry(keeper, entry);
		next = entry->link.le_next;
		if (err) {
			tell_later(keeper, err);
			return 0;
		}
		if (entry->end != IN_USE)
			keeper_drop(entry);
	}
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static void on_log_moved(void *arg)
{
	struct keeper *keeper = arg;
	int err;

	keeper->is_log_told = false;
	err = keeper->room ? tell_log(keeper) : 0;
	if (err)
		tell_later(keeper, err);
}

static int watch_process(struct keeper *keeper)
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
	struct keeper_entry *entry, *next;

	for (entry = keeper->entries.lh_first; entry; entry = next) {
		next = entry->link.le_next;
		if (entry->end == DONE || (entry->end == LEFT && is_last))
			keeper_drop(entry);
	}
	keeper->source = sd_event_source_disable_unref(keeper->source);
	keeper->room = sd_event_source_disable_unref(keeper->room);
	keeper->later = sd_event_source_disable_unref(keeper->later);
	if (keeper->socket >= 0)
		close(keeper->socket);
	keeper->socket = -1;
}

static int start_process(struct keeper *keeper)
{
	struct keeper_entry *entry;
	int socket = keeper_process_start(keeper->instance, keeper->run_dir, &keeper->pid), err;

	if (socket < 0)
		return socket;
	keeper->socket = socket;
	keeper->is_log_told = true;
	for (entry = keeper->entries.lh_first; entry; entry = entry->link.le_next)
		entry->is_told = false;
	err = watch_process(keeper);
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
	int err = start_process(keeper);

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
	LIST_INIT(&keeper->entries);
	log_on_move(on_log_moved, keeper);
	err = start_process(keeper);
	return err ? error_set(error, err, "the keeper of the output: %s", strerror(-err)) : 0;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	log_on_move(NULL, NULL);
	forget_process(keeper, true);
	sd_event_source_disable_unref(keeper->pause);
	free(keeper);
}

/* Whether it is told. */
static bool tell_or_later(struct keeper_entry *entry)
{
	struct keeper *keeper = entry->keeper;
	int err = keeper->socket < 0 ? -EPIPE : tell_entry(keeper, entry);

	if (err && keeper->socket >= 0)
		tell_later(keeper, err);
	return !err;
}

static struct keeper_entry *add_entry(struct keeper *keeper, int fd, int pidfd, char *note)
{
	struct keeper_entry *entry = keeper && note ? calloc(1, sizeof(*entry)) : NULL;

	if (!entry) {
		free(note);
		return NULL;
	}
	entry->keeper = keeper;
	entry->number = ++keeper->last_number;
	entry->fd = fd;
	entry->pidfd = pidfd;
	entry->note = note;
	LIST_INSERT_HEAD(&keeper->entries, entry, link);
	tell_or_later(entry);
	return entry;
}

struct keeper_entry *keeper_add(struct keeper *keeper, int fifo_fd, char *note)
{
	return add_entry(keeper, fifo_fd, -1, note);
}

struct keeper_entry *keeper_add_notify(struct keeper *keeper, int socket, int pidfd, char *note)
{
	return add_entry(keeper, socket, pidfd, note);
}

void keeper_drop(struct keeper_entry *entry)
{
	if (!entry)
		return;
	if (entry->end == LEFT)
		close(entry->fd);
	LIST_REMOVE(entry, link);
	free(entry->note);
	free(entry);
}

void keeper_done(struct keeper_entry *entry)
{
	if (!entry)
		return;
	entry->fd = -1;
	entry->end = DONE;
	if (!entry->is_told || entry->keeper->socket < 0 || tell_or_later(entry))
		keeper_drop(entry);
}

void keeper_leave(struct keeper_entry *entry, int fifo_fd)
{
	entry->fd = fifo_fd;
	entry->end = LEFT;
	if (tell_or_later(entry))
		keeper_drop(entry);
}
