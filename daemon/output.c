/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "open_file.h"
#include "output_sink.h"
#include "process.h"

enum {
	CHUNK_BYTES = 256 << 10, /* looked at in one turn of the event loop */
	PIPE_BYTES = 1 << 20,    /* of a FIFO: what a worker may write while no lbd reads */
	LINE_BYTES = 64 << 10,   /* a longer line is passed on in pieces */
	DRAIN_TURNS = 16,        /* after a worker's end: more than a FIFO holds */
	CONGESTED_US = 20000,    /* until syslog is tried again */
	PRIORITY_ERR = 3,
	PRIORITY_INFO = 6,
};

struct output {
	sd_event *event;
	struct conf_output conf; /* its path is not used: path is it, expanded */
	char *name, *path, *fifo;
	bool is_err;
	uid_t user;

	void (*ended)(void *arg); /* in a keeper */
	void *arg;

	int fd;                   /* the FIFO, or -1: nothing to be read */
	struct keeper_fifo *kept; /* as the keeper knows it */
	sd_event_source *source, *more, *retry;
	struct output_file *file;
	struct output_syslog *syslog;
};

/* One for all: the loop is in one output at a time, and each turn leaves them empty. */
static struct {
	pid_t owner; /* a fork needs a pipe of its own: bytes of both would mix in this one */
	int pipe[2];
	char bytes[CHUNK_BYTES], discarded[CHUNK_BYTES];
} peek;

static int open_peek(void)
{
	if (peek.owner == getpid())
		return 0;
	if (pipe2(peek.pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	/* As many slots as the FIFO, which may be filled with short writes. */
	fcntl(peek.pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	peek.owner = getpid();
	return 0;
}

void output_discard(int fifo, size_t bytes)
{
	/*
	 * Not splice(2) to /dev/null: when lbd is killed that ends anywhere, and the next lbd would begin
	 * within a line that is written already.  read(2) takes all that is there or nothing.
	 */
	while (bytes) {
		ssize_t n = read(fifo, peek.discarded, bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES);

		if (n <= 0)
			return;
		bytes -= n;
	}
}

/* Copies what the FIFO holds, and leaves it there. */
static size_t look(int fifo)
{
	ssize_t n = tee(fifo, peek.pipe[1], CHUNK_BYTES, SPLICE_F_NONBLOCK);
	size_t got = 0;

	while (n > 0 && got < (size_t)n) {
		ssize_t part = read(peek.pipe[0], peek.bytes + got, n - got);

		if (part <= 0)
			break;
		got += part;
	}
	return got;
}

/* How much of it is whole lines; what is too long, or the last word of the dead, is taken as it is. */
static size_t whole_lines(size_t bytes, bool is_last)
{
	const char *end = bytes ? memrchr(peek.bytes, '\n', bytes) : NULL;

	if (is_last)
		return bytes;
	if (end)
		return end + 1 - peek.bytes;
	return bytes >= LINE_BYTES ? bytes : 0;
}

static size_t move(struct output *output, size_t bytes)
{
	if (output->file)
		return output_file_move(output->file, output->fd, peek.bytes, bytes);
	if (output->syslog)
		return output_syslog_move(output->syslog, output->fd, peek.bytes, bytes);
	output_discard(output->fd, bytes);
	return bytes;
}

static int on_congested(sd_event_source *source, uint64_t now, void *arg)
{
	struct output *output = arg;

	(void)source, (void)now;
	output->retry = sd_event_source_disable_unref(output->retry);
	sd_event_source_set_enabled(output->more, SD_EVENT_ONESHOT);
	return 0;
}

/* One bounded turn.  The descriptor is edge-triggered, as an unfinished line stays in it: whoever
 * leaves more than that must come again. */
static bool turn(struct output *output, bool is_last)
{
	size_t bytes = look(output->fd), lines = whole_lines(bytes, is_last), moved;

	moved = lines ? move(output, lines) : 0;
	if (moved < lines) {
		sd_event_source_disable_unref(output->retry);
		output->retry = NULL;
		sd_event_add_time_relative(output->event, &output->retry, CLOCK_MONOTONIC,
					   CONGESTED_US, 0, on_congested, output);
		return false;
	}
	return lines > 0;
}

static int on_more(sd_event_source *source, void *arg)
{
	struct output *output = arg;

	if (turn(output, false))
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_bytes(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct output *output = arg;

	(void)source, (void)fd;
	/* Seen by a keeper alone: lbd's own descriptor can write, too. */
	if (events & EPOLLHUP) {
		output_drain(output);
		sd_event_source_set_enabled(output->source, SD_EVENT_OFF);
		sd_event_source_set_enabled(output->more, SD_EVENT_OFF);
		output->ended(output->arg);
		return 0;
	}
	if (!output->retry && turn(output, false))
		sd_event_source_set_enabled(output->more, SD_EVENT_ONESHOT);
	return 0;
}

/* Last of all that the loop has to do: a flood of output delays nothing but itself. */
static int watch(struct output *output)
{
	int err = sd_event_add_defer(output->event, &output->more, on_more, output);

	if (err >= 0)
		err = sd_event_source_set_enabled(output->more, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_source_set_priority(output->more, SD_EVENT_PRIORITY_IDLE);
	if (err >= 0)
		err = sd_event_add_io(output->event, &output->source, output->fd, EPOLLIN | EPOLLET,
				      on_bytes, output);
	if (err >= 0)
		err = sd_event_source_set_priority(output->source, SD_EVENT_PRIORITY_IDLE);
	return err < 0 ? err : 0;
}

static int open_sink(struct output *output)
{
	if (output->conf.kind == OUTPUT_SYSLOG)
		output->syslog = output_syslog_new(output->name,
						   output->is_err ? PRIORITY_ERR : PRIORITY_INFO);
	else if (output->conf.kind == OUTPUT_FILE)
		output->file = output_file_new(output->path, &output->conf, output->user);
	else
		return 0;
	return output->syslog || output->file ? 0 : -ENOMEM;
}

/* By the configuration, or as the process was started when that was another. */
static bool is_its_user(const struct output *output, pid_t pid, uid_t user)
{
	uid_t real;

	return user == output->user || (!process_user(pid, NULL, &real) && user == real);
}

/*
 * Its name went with the run directory: the process has it as its standard output.  That user may have put
 * anything there: only what is that user's to read anyway is opened.
 */
static int open_nameless(const struct output *output, pid_t pid)
{
	char path[64];
	struct stat st;
	int fd = -1, named;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid,
		 output->is_err ? STDERR_FILENO : STDOUT_FILENO);
	named = open(path, O_PATH | O_CLOEXEC);
	if (named < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", named);
	if (!fstat(named, &st) && S_ISFIFO(st.st_mode) && !st.st_nlink &&
	    is_its_user(output, pid, st.st_uid))
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	close(named);
	return fd;
}

static int read_fifo(struct output *output, int fd)
{
	int err;

	output->fd = fd;
	fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
	err = open_peek();
	return err ? err : open_sink(output);
}

static int open_fifo(struct output *output, pid_t adopt)
{
	int fd, err;

	if (!adopt && mkfifo(output->fifo, 0600) && errno != EEXIST)
		return -errno;
	fd = open(output->fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && (errno != ENOENT || !adopt))
		return -errno;
	if (fd < 0)
		fd = open_nameless(output, adopt);
	if (fd < 0)
		return 0;
	err = read_fifo(output, fd);
	return err ? err : watch(output);
}

static bool needs_fifo(const struct conf_output *conf)
{
	return conf->kind == OUTPUT_SYSLOG ||
	       (conf->kind == OUTPUT_FILE && (conf->max_bytes || conf->max_age_s || conf->prefix));
}

static int fill(struct output *output, sd_event *event, const struct conf_output *conf,
		const struct output_target *target)
{
	output->event = event;
	output->conf = *conf;
	output->conf.path = NULL;
	output->fd = -1;
	output->is_err = target->is_err;
	output->user = target->user;
	output->name = strdup(target->name);
	output->path = strdup(target->path);
	output->fifo = strdup(target->fifo);
	return output->name && output->path && output->fifo ? 0 : -ENOMEM;
}

int output_new(sd_event *event, struct keeper *keeper, const struct conf_output *conf,
	       const struct output_target *target, pid_t adopt, struct output **out,
	       struct error *error)
{
	struct output *output = calloc(1, sizeof(*output));
	int err;

	if (!output)
		return error_set(error, -ENOMEM, "log of %s: out of memory", target->name);
	err = fill(output, event, conf, target);
	if (!err && !adopt && !needs_fifo(conf))
		output_target_remove(output->fifo);
	else if (!err)
		err = open_fifo(output, adopt);
	if (!err && output->fd >= 0)
		err = output_target_write(conf, target);
	if (err) {
		output_free(output);
		return error_set(error, err, "fifo %s: %s", target->fifo, strerror(-err));
	}
	if (output->fd >= 0)
		output->kept = keeper_add(keeper, output->fd, output_target_text(conf, target));
	*out = output;
	return 0;
}

/* Of a note; takes fd over. */
static int resume(sd_event *event, int fd, char *note, struct output **out)
{
	struct output *output = calloc(1, sizeof(*output));
	struct output_target target;
	struct conf_output conf;
	int err = output ? output_target_parse(note, &conf, &target) : -ENOMEM;

	if (output)
		output->fd = -1;
	if (!err)
		err = fill(output, event, &conf, &target);
	if (err)
		close(fd);
	else
		err = read_fifo(output, fd);
	if (err)
		output_free(output);
	else
		*out = output;
	return err;
}

int output_keep(sd_event *event, int fd, char *note, void (*ended)(void *arg), void *arg)
{
	struct output *output;
	int err = resume(event, fd, note, &output);

	if (err)
		return err;
	output->ended = ended;
	output->arg = arg;
	err = watch(output);
	if (err)
		output_free(output);
	return err;
}

/* Blocking, as a worker expects it of its standard output. */
static int open_append(const struct output *output, struct error *error)
{
	int fd =
		open_file("log ", output->path, O_WRONLY | O_APPEND | O_CREAT, output->user, error);

	if (fd >= 0)
		fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

static int open_nothing(struct error *error)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? error_set(error, -errno, "/dev/null: %s", strerror(errno)) : fd;
}

static int open_journal(const struct output *output, struct error *error)
{
	int fd = sd_journal_stream_fd(output->name, output->is_err ? PRIORITY_ERR : PRIORITY_INFO,
				      1);

	if (fd < 0)
		return error_set(error, fd, "journal: %s; is systemd-journald running?",
				 strerror(-fd));
	return fd;
}

/*
 * The worker's own open file, blocking, and both ways: it is its reader of last resort.  Of the FIFO that is read
 * here, whatever has become of its name: the run directory may have been deleted.
 */
static int open_writer(const struct output *output, struct error *error)
{
	char path[32];
	int fd = -1;

	/* A file that cannot be written is better known before the worker runs. */
	if (output->file && (fd = open_append(output, error)) < 0)
		return fd;
	if (output->file)
		close(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", output->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fchown(fd, output->user, -1)) {
		error_set(error, -errno, "fifo %s: %s", output->fifo, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	return fd;
}

int output_open(struct output *output, struct error *error)
{
	if (output->conf.kind == OUTPUT_JOURNAL)
		return open_journal(output, error);
	if (output->conf.kind == OUTPUT_NONE)
		return open_nothing(error);
	if (output->fd >= 0)
		return open_writer(output, error);
	return open_append(output, error);
}

void output_drain(struct output *output)
{
	if (!output || output->fd < 0)
		return;
	for (int i = 0; i < DRAIN_TURNS && turn(output, false); i++)
		;
	turn(output, true);
	if (output->file)
		output_file_end_line(output->file);
}

void output_forget(const char *fifo)
{
	struct output *output;
	char *note;
	int fd = output_target_open(fifo, &note);

	if (fd >= 0) {
		if (!resume(NULL, fd, note, &output)) {
			output_drain(output);
			output_free(output);
		}
		free(note);
	}
	output_target_remove(fifo);
}

static void close_fifo(struct output *output)
{
	output->source = sd_event_source_disable_unref(output->source);
	output->more = sd_event_source_disable_unref(output->more);
	output->retry = sd_event_source_disable_unref(output->retry);
	keeper_drop(output->kept);
	output->kept = NULL;
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
}

/* What is left of its names goes also where nothing could be read: its FIFO may have been lost. */
void output_end(struct output *output)
{
	if (!output)
		return;
	output_drain(output);
	keeper_done(output->kept);
	output->kept = NULL;
	close_fifo(output);
	output_target_remove(output->fifo);
}

void output_free(struct output *output)
{
	if (!output)
		return;
	close_fifo(output);
	output_file_free(output->file);
	output_syslog_free(output->syslog);
	free(output->name);
	free(output->path);
	free(output->fifo);
	free(output);
}
