/* SPDX-License-Identifier: Apache-2.0 */
/* From a FIFO to the local syslog daemon, in the form of RFC 3164 that all of them read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/shortage.h"
#include "output/loss.h"
#include "output/peek.h"
#include "output/sink.h"

enum { FACILITY_DAEMON = 3, LINE_BYTES = 8192 };
#define SYSLOG_PATH "/dev/log"

struct output_syslog {
	int fd;
	int priority; /* with the facility */
	char tag[128];
	struct output_loss *loss;
};

struct output_syslog *output_syslog_new(const char *name, int priority, struct output_loss *loss)
{
	struct output_syslog *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	log->fd = -1;
	log->loss = loss;
	log->priority = FACILITY_DAEMON * 8 + priority;
	/* A tag ends at its first colon. */
	snprintf(log->tag, sizeof(log->tag), "lbd/%s", name);
	for (char *c = log->tag; *c; c++)
		if (*c == ':')
			*c = '.';
	return log;
}

static void disconnect(struct output_syslog *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

void output_syslog_free(struct output_syslog *log)
{
	if (!log)
		return;
	disconnect(log);
	free(log);
}

static int reach(struct output_syslog *log)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = SYSLOG_PATH};
	int err;

	if (log->fd >= 0)
		return 0;
	log->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (log->fd < 0)
		return -errno;
	if (!connect(log->fd, (struct sockaddr *)&sa, sizeof(sa)))
		return 0;
	err = -errno;
	disconnect(log);
	return err;
}

static int send_line(struct output_syslog *log, const char *text, size_t bytes)
{
	char line[LINE_BYTES + 256], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	int head, err = reach(log);

	if (err)
		return err;
	if (bytes > LINE_BYTES)
		bytes = LINE_BYTES;
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	head = snprintf(line, sizeof(line), "<%d>%s %s: ", log->priority, stamp, log->tag);
	memcpy(line + head, text, bytes);
	return send(log->fd, line, head + bytes, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Why not, as lines about it begin. */
static void explain(const struct output_syslog *log, int err, char *why, size_t room)
{
	snprintf(why, room, "syslog %s: %s; what %s writes", SYSLOG_PATH, strerror(-err), log->tag);
}

static void note(struct output_syslog *log, int err, size_t bytes)
{
	char why[256];

	if (!err) {
		output_loss_over(log->loss);
		return;
	}
	explain(log, err, why, sizeof(why));
	output_loss_add(log->loss, why, bytes);
	disconnect(log);
}

/* Congested, which the daemon makes good when it has time, or short of something here. */
static bool must_wait(struct output_syslog *log, int err)
{
	char why[256];

	if (err == -EAGAIN || err == -ENOBUFS)
		return true;
	if (!is_shortage(err))
		return false;
	explain(log, err, why, sizeof(why));
	output_loss_wait(log->loss, why);
	return true;
}

size_t output_syslog_move(struct output_syslog *log, int fifo, const char *text, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		const char *end = memchr(text + done, '\n', bytes - done);
		size_t line = end ? (size_t)(end - text) - done : bytes - done;
		int err = line ? send_line(log, text + done, line) : 0;

		if (must_wait(log, err))
			break;
		if (line)
			note(log, err, line + !!end);
		done += line + !!end;
	}
	output_discard(fifo, done);
	return done;
}
