/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/open_file.h"
#include "base/printable.h"
#include "base/rotate.h"

enum { LINE_BYTES = 2048 };

static struct {
	enum log_level level;
	int fd;
	char *path; /* NULL: standard error */
	uint64_t max_bytes;
	unsigned max_files;
	FILE *also;
	bool says_where;
	FILE *held; /* see log_hold(): each line after the digit of its level */
	char *held_text;
	size_t held_size;
	unsigned long dropped; /* lines for which standard error had no room */
	void (*moved)(void *arg);
	void *arg;
} own = {.level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

void log_set_level(enum log_level level)
{
	own.level = level;
}

void log_also(FILE *out)
{
	own.also = out;
}

static int open_own(const char *path, struct error *error)
{
	return open_file("log ", path, O_WRONLY | O_APPEND | O_CREAT, geteuid(), error);
}

void log_on_move(void (*moved)(void *arg), void *arg)
{
	own.moved = moved;
	own.arg = arg;
}

static void tell_moved(void)
{
	if (own.moved)
		own.moved(own.arg);
}

static void close_own(void)
{
	if (own.path)
		close(own.fd);
	free(own.path);
	own.path = NULL;
	own.fd = STDERR_FILENO;
}

void log_hold(void)
{
	own.held = open_memstream(&own.held_text, &own.held_size);
}

void log_release(void)
{
	char *rest, *line;

	if (!own.held)
		return;
	rest = fclose(own.held) ? NULL : own.held_text;
	own.held = NULL;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_line((enum log_level)(*line - '0'), "%s", line + 1);
	free(own.held_text);
	own.held_text = NULL;
}

void log_say_where(void)
{
	own.says_where = true;
}

/* Past what waits, which is for the file. */
static void say_where(const char *path)
{
	FILE *held = own.held;

	own.held = NULL;
	log_info("the log goes to %s from here on", path);
	own.held = held;
}

static int change_to(const char *path, uint64_t max_bytes, unsigned max_files, struct error *error)
{
	char *copy;
	int fd;

	if (!path) {
		close_own();
		return 0;
	}
	fd = open_own(path, error);
	if (fd < 0)
		return fd;
	copy = strdup(path);
	if (!copy) {
		close(fd);
		return error_set(error, -ENOMEM, "log %s: out of memory", path);
	}
	if (!own.path && own.says_where)
		say_where(path);
	close_own();
	own.path = copy;
	own.fd = fd;
	own.max_bytes = max_bytes;
	own.max_files = max_files;
	return 0;
}

int log_open(const char *path, uint64_t max_bytes, unsigned max_files, struct error *error)
{
	int err = change_to(path, max_bytes, max_files, error);

	if (err)
		return err;
	tell_moved();
	log_release();
	return 0;
}

int log_reopen(struct error *error)
{
	int fd;

	if (!own.path)
		return 0;
	fd = open_own(own.path, error);
	if (fd < 0)
		return fd;
	close(own.fd);
	own.fd = fd;
	tell_moved();
	return 0;
}

bool log_is_file(void)
{
	return own.path != NULL;
}

void log_to_stderr(void)
{
	if (log_is_file())
		dup2(own.fd, STDERR_FILENO);
}

/* journald says in the environment which device and inode its stream is (sd_journal_stream_fd(3)). */
static bool is_journal(void)
{
	static int known = -1;
	const char *stream;
	unsigned long dev, ino;
	struct stat st;

	if (known >= 0)
		return known;
	stream = getenv("JOURNAL_STREAM");
	known = stream && sscanf(stream, "%lu:%lu", &dev, &ino) == 2 &&
		!fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
	return known;
}

bool log_is_lasting(void)
{
	struct stat st;

	return is_journal() || (!fstat(STDERR_FILENO, &st) && S_ISREG(st.st_mode));
}

int log_lasting_fd(void)
{
	return log_is_file() || log_is_lasting() ? own.fd : -1;
}

static int format_head(enum log_level level, char *line, size_t room)
{
	static const char *const names[] = {[LOG_LEVEL_ERROR] = "error",
					    [LOG_LEVEL_WARNING] = "warning",
					    [LOG_LEVEL_INFO] = "info",
					    [LOG_LEVEL_DEBUG] = "debug"};
	struct timespec now;
	struct tm tm;
	size_t used;

	if (!own.path)
		return is_journal() ? snprintf(line, room, "<%d>", level) : 0;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	used = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &tm);
	used += snprintf(line + used, room - used, ".%03ld", now.tv_nsec / 1000000);
	used += strftime(line + used, room - used, "%z ", &tm);
	return used + snprintf(line + used, room - used, "%s ", names[level]);
}

static void rotate_when_large(void)
{
	struct error ignored;
	struct stat st;

	if (!own.path || !own.max_bytes || fstat(own.fd, &st) ||
	    (uint64_t)st.st_size < own.max_bytes)
		return;
	/* The log is the last to complain to: when it cannot rotate it goes on growing. */
	if (!rotate_files(own.path, own.fd, own.max_files, geteuid(), &ignored))
		log_reopen(&ignored);
}

/*
 * Standard error may be a pipe, a terminal or the journal's socket that nobody reads, and is not ours alone to
 * make non-blocking: a line is written where one has room, else it is dropped and counted.
 */
static bool has_room(void)
{
	struct pollfd ready = {.fd = own.fd, .events = POLLOUT};

	return own.path || poll(&ready, 1, 0) != 0;
}

static void write_line(const char *line, size_t bytes)
{
	while (write(own.fd, line, bytes) < 0 && errno == EINTR)
		;
}

static void tell_dropped(void)
{
	char line[LINE_BYTES];
	int head = format_head(LOG_LEVEL_WARNING, line, sizeof(line));

	snprintf(line + head, sizeof(line) - head,
		 "%lu lines are missing here: nobody read standard error\n", own.dropped);
	own.dropped = 0;
	write_line(line, strlen(line));
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;
	int head, text;

	if (level > own.level)
		return;
	rotate_when_large();
	if (own.held)
		head = snprintf(line, sizeof(line), "%d", level);
	else
		head = format_head(level, line, sizeof(line) - 1);
	va_start(args, format);
	text = vsnprintf(line + head, sizeof(line) - 1 - head, format, args);
	va_end(args);
	if (text < 0)
		return;
	if (text > LINE_BYTES - 2 - head)
		text = LINE_BYTES - 2 - head;
	/* One event is one line, whatever a name or a worker's output put into it. */
	text = (int)printable_line(line + head, text);
	line[head + text] = '\n';
	if (own.held) {
		fwrite(line, 1, (size_t)(head + text) + 1, own.held);
		return;
	}
	if (own.also && level <= LOG_LEVEL_WARNING)
		fwrite(line + head, 1, (size_t)text + 1, own.also);
	if (own.dropped && has_room())
		tell_dropped();
	if (has_room())
		write_line(line, head + text + 1);
	else
		own.dropped++;
}
