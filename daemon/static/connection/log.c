// SPDX-License-Identifier: Apache-2.0
#include "static/connection/log.h"

#include "static/http/writer.h"
#include "static/options/written.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, TEXT_BYTES = 2048 };

struct log {
	const struct options *options;
	enum log_format format;
	int fd;
	time_t stamp_of; /* the second that stamp says */
	char stamp[40];
	struct writer writer;
	char buffer[BUFFER_BYTES];
};

static int open_log(const struct options *options, struct fault *fault)
{
	if (!strcmp(options->access_log, "stderr") || !strcmp(options->access_log, "/dev/stderr"))
		return STDERR_FILENO;
	return written_open("access_log", options->access_log, O_WRONLY | O_APPEND, options, fault);
}

int log_open(struct log **out, const struct options *options, struct fault *fault)
{
	struct log *log;

	*out = NULL;
	if (!options->access_log)
		return 0;
	log = calloc(1, sizeof(*log));
	if (!log)
		return fault_set(fault, -ENOMEM, "access_log: no memory");
	log->options = options;
	log->format = options->log_format;
	log->writer = (struct writer){.at = log->buffer, .room = sizeof(log->buffer)};
	log->fd = open_log(options, fault);
	if (log->fd < 0) {
		int err = log->fd;

		free(log);
		return err;
	}
	tzset(); /* reads the zone's file, which Landlock will not let it do later */
	*out = log;
	return 0;
}

void log_close(struct log *log)
{
	if (!log)
		return;
	log_flush(log);
	if (log->fd != STDERR_FILENO)
		close(log->fd);
	free(log);
}

int log_reopen(struct log *log, struct fault *fault)
{
	int fd;

	log_flush(log);
	fd = open_log(log->options, fault);
	if (fd < 0)
		return fd;
	if (log->fd != STDERR_FILENO)
		close(log->fd);
	log->fd = fd;
	return 0;
}

void log_flush(struct log *log)
{
	size_t done = 0;

	while (log && done < log->writer.len) {
		ssize_t put = write(log->fd, log->buffer + done, log->writer.len - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		done += put;
	}
	if (log)
		log->writer.len = 0;
}

/* What a client sent must not be able to end a line or a quoted string. */
static void write_escaped(struct writer *writer, struct slice text)
{
	size_t len = text.len < TEXT_BYTES ? text.len : TEXT_BYTES;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = text.at[i];

		if (c == '"' || c == '\\')
			write_format(writer, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			write_format(writer, "\\u%04x", c);
		else
			write_bytes(writer, &c, 1);
	}
}

/* JSON must be UTF-8: bytes beyond ASCII are written as the Latin-1 characters they may be. */
static void write_json(struct writer *writer, const char *name, struct slice text)
{
	size_t len = text.len < TEXT_BYTES ? text.len : TEXT_BYTES, from = 0;

	write_format(writer, ",\"%s\":\"", name);
	for (size_t i = 0; i < len; i++) {
		if (!((unsigned char)text.at[i] & 0x80))
			continue;
		write_escaped(writer, (struct slice){text.at + from, i - from});
		write_format(writer, "\\u%04x", (unsigned char)text.at[i]);
		from = i + 1;
	}
	write_escaped(writer, (struct slice){text.at + from, len - from});
	write_text(writer, "\"");
}

static void write_quoted(struct writer *writer, struct slice text)
{
	write_text(writer, " \"");
	if (text.at)
		write_escaped(writer, text);
	else
		write_text(writer, "-");
	write_text(writer, "\"");
}

static const char *stamp_time(struct log *log, time_t time)
{
	struct tm tm;

	if (log->stamp_of == time)
		return log->stamp;
	log->stamp_of = time;
	if (log->format == LOG_JSON) {
		gmtime_r(&time, &tm);
		strftime(log->stamp, sizeof(log->stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	} else {
		localtime_r(&time, &tm);
		strftime(log->stamp, sizeof(log->stamp), "%d/%b/%Y:%H:%M:%S %z", &tm);
	}
	return log->stamp;
}

static void write_line(struct log *log, const struct log_request *request, uint64_t bytes,
		       uint64_t now_ms)
{
	struct writer *writer = &log->writer;
	char client[ADDRESS_TEXT_BYTES];

	address_format(&request->client, client);
	if (log->format == LOG_JSON) {
		write_format(writer,
			     "{\"time\":\"%s\",\"client\":\"%s\",\"status\":%d,\"bytes\":%llu,"
			     "\"duration_ms\":%llu",
			     stamp_time(log, request->time), client, request->status,
			     (unsigned long long)bytes,
			     (unsigned long long)(now_ms - request->start_ms));
		write_json(writer, "request", request->line);
		write_json(writer, "host", request->host);
		write_json(writer, "referer", request->referer);
		write_json(writer, "user_agent", request->agent);
		write_text(writer, "}\n");
		return;
	}
	write_format(writer, "%s - - [%s]", client, stamp_time(log, request->time));
	write_quoted(writer, request->line);
	write_format(writer, " %d %llu", request->status, (unsigned long long)bytes);
	if (log->format == LOG_COMBINED) {
		write_quoted(writer, request->referer);
		write_quoted(writer, request->agent);
	}
	write_text(writer, "\n");
}

void log_write(struct log *log, const struct log_request *request, uint64_t bytes, uint64_t now_ms)
{
	size_t before;

	for (unsigned tries = 0; tries < 2; tries++) {
		before = log->writer.len;
		log->writer.full = false;
		write_line(log, request, bytes, now_ms);
		if (!log->writer.full)
			return;
		log->writer.len = before; /* it did not fit: make room, and once more */
		log_flush(log);
	}
}

static struct slice copy_slice(char **at, struct slice text)
{
	struct slice kept = {text.at ? *at : NULL, text.len < TEXT_BYTES ? text.len : TEXT_BYTES};

	if (text.at)
		*at = mempcpy(*at, text.at, kept.len);
	return kept;
}

struct log_request *log_request_keep(const struct log_request *request)
{
	struct log_request *kept = malloc(sizeof(*kept) + request->line.len + request->referer.len +
					  request->agent.len + request->host.len);
	char *at;

	if (!kept)
		return NULL;
	*kept = *request;
	at = (char *)(kept + 1);
	kept->line = copy_slice(&at, request->line);
	kept->referer = copy_slice(&at, request->referer);
	kept->agent = copy_slice(&at, request->agent);
	kept->host = copy_slice(&at, request->host);
	return kept;
}
