/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend is well when it answers a GET with a status in the range.  Redirects are not followed:
 * they count by their status.  RFC 9112.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "health/private.h"

enum { REPLY_MAX = 65536, REQUEST_BYTES = 2048 };

/* "HTTP/1.1 200 OK": 200; 0: not there yet; -1: something else. */
static int parse_status(const char *reply)
{
	int digits = 0;

	if (!strchr(reply, '\n'))
		return 0;
	if (sscanf(reply, "HTTP/1.%*1[0-9] %*3[0-9]%n", &digits) < 0 || digits < 12)
		return -1;
	return isdigit((unsigned char)reply[digits]) ? -1 : atoi(reply + 9);
}

static void find_location(const char *reply, char location[100])
{
	const char *line = reply;

	*location = 0;
	while ((line = strchr(line, '\n'))) {
		line++;
		if (!strncasecmp(line, "location:", 9)) {
			sscanf(line + 9, " %99[^\r\n]", location);
			return;
		}
	}
}

/* With all of the reply that is going to be looked at. */
static void judge_reply(struct health *health)
{
	const struct conf_health *conf = &health->conf;
	int status = parse_status(health->reply);
	char location[100];

	if (!health->read_bytes)
		health_result(health, false, "closed without an answer");
	else if (status <= 0)
		health_result(health, false, "answer is not HTTP/1");
	else if (status >= (int)conf->status_min && status <= (int)conf->status_max)
		health_result(health, true, "%d", status);
	else if (status / 100 == 3) {
		find_location(health->reply, location);
		health_result(health, false,
			      "%d, a redirect to %s, which is not followed; allowed are %u-%u",
			      status, *location ? location : "nowhere", conf->status_min,
			      conf->status_max);
	} else {
		health_result(health, false, "%d, allowed are %u-%u", status, conf->status_min,
			      conf->status_max);
	}
}

/* To the end, so that the worker does not see its answer refused; the first part is kept. */
static int on_reply(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct health *health = arg;
	size_t room = sizeof(health->reply) - 1 - health->reply_bytes;
	char rest[4096];
	ssize_t n;

	(void)source, (void)events;
	n = room ? recv(fd, health->reply + health->reply_bytes, room, 0)
		 : recv(fd, rest, sizeof(rest), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && room)
		health->reply_bytes += n;
	if (n > 0)
		health->read_bytes += n;
	health->reply[health->reply_bytes] = 0;
	if (n > 0 && health->read_bytes < REPLY_MAX)
		return 0;
	if (n < 0 && !health->read_bytes)
		health_result(health, false, "%s", strerror(errno));
	else
		judge_reply(health);
	return 0;
}

static int send_request(struct health *health, int fd)
{
	const char *host = health->conf.host;
	char address[ADDR_TEXT_BYTES], request[REQUEST_BYTES];
	int length;

	if (!host)
		host = addr_format_endpoint(&health->endpoint, address);
	length = snprintf(request, sizeof(request),
			  "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lbd\r\nAccept: */*\r\n"
			  "Connection: close\r\n\r\n",
			  health->conf.path, host);
	if (length >= (int)sizeof(request))
		return -E2BIG;
	/* A fresh connection's buffer takes it whole. */
	return send(fd, request, length, MSG_NOSIGNAL) == length ? 0 : -errno;
}

static int on_request_due(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct health *health = arg;
	int err = health_connect_error(health);

	(void)source, (void)events;
	if (!err)
		err = send_request(health, fd);
	if (!err) {
		health->source = sd_event_source_disable_unref(health->source);
		err = sd_event_add_io(health->event, &health->source, fd, EPOLLIN, on_reply,
				      health);
	}
	if (err < 0)
		health_result(health, false, "%s", strerror(-err));
	return 0;
}

static int start_request(struct health *health)
{
	health->reply[0] = 0;
	return health_connect(health, on_request_due);
}

/* A status is an answer even when the connection stays open, or the body has no end. */
static bool late_request(struct health *health)
{
	if (parse_status(health->reply) <= 0)
		return false;
	judge_reply(health);
	return true;
}

const struct health_kind health_http = {.start = start_request,
					.stop = health_disconnect,
					.late = late_request};
