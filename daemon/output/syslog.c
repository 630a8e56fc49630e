/* SPDX-License-Identifier: Apache-2.0 */
/* From a FIFO to the local syslog daemon, in the form of RFC 3164 that all of them read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/shortage.h"
#include "output/loss.h"
#include "output/peek.h"
#include "output/sink.h"

enum { FACILITY_DAEMON = 3, LINE_BYTES = 8192, CONGESTED_US = 20000 };
#define SYSLOG_PATH "/dev/log"

struct syslog {
	int fd;
	int priority; /* with the facility */
	char tag[128];
	struct output_loss *loss;
};

static void *open_syslog(const struct conf_output *conf, const struct output_target *target,
			 struct output_loss *loss)
{
	struct syslog *log = calloc(1, sizeof(*log));

	(void)conf;
	if (!log)
		return NULL;
	log->fd = -1;
	log->loss = loss;
	log->priority = FACILITY_DAEMON * 8 + (target->is_err ? LOG_ERR : LOG_INFO);
	/* A tag ends at its first colon. */
	snprintf(log->tag, sizeof(log->tag), "lbd/%s", target->name);
	for (char *c = log->tag; *c; c++)
		if (*c == ':')
			*c = '.';
	return log;
}

static void disconnect_syslog(struct syslog *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

static void close_syslog(void *sink)
{
	disconnect_syslog(sink);
	free(sink);
}

static int reach_syslog(struct syslog *log)
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
	disconnect_syslog(log);
	return err;
}

static int send_line(struct syslog *log, const char *text, size_t bytes)
{
	char line[LINE_BYTES + 256], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	int head, err = reach_syslog(log);

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
static void explain_error(const struct syslog *log, int err, char *why, size_t room)
{
	snprintf(why, room, "syslog %s: %s; what %s writes", SYSLOG_PATH, strerror(-err), log->tag);
}

static void note_sent(struct syslog *log, int err, size_t bytes)
{
	char why[256];

	if (!err) {
		output_loss_over(log->loss);
		return;
	}
	explain_error(log, err, why, sizeof(why));
	output_loss_add(log->loss, why, bytes);
	disconnect_syslog(log);
}

/* Congested, which the daemon makes good when it has time, or short of something here. */
static bool must_wait(struct syslog *log, int err)
{
	char why[256];

	if (err == -EAGAIN || err == -ENOBUFS)
		return true;
	if (!is_shortage(err))
		return false;
	explain_error(log, err, why, sizeof(why));
	output_loss_wait(log->loss, why);
	return true;
}

static size_t move_lines(void *sink, int fifo, const char *text, size_t bytes)
{
	struct syslog *log = sink;
	size_t done = 0;

	while (done < bytes) {
		const char *end = memchr(text + done, '\n', bytes - done);
		size_t line = end ? (size_t)(end - text) - done : bytes - done;
		int err = line ? send_line(log, text + done, line) : 0;

		if (must_wait(log, err))
			break;
		if (line)
			note_sent(log, err, line + !!end);
		done += line + !!end;
	}
	output_discard(fifo, done);
	return done;
}

const struct output_sink output_syslog_sink = {open_syslog, move_lines, NULL, close_syslog,
					       CONGESTED_US};
