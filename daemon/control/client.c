/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "control/pace.h"
#include "control/parse.h"
#include "host/process/stranger.h"
#include "lb/ctl.h"

enum {
	OUT_BACKLOG_MAX = 4 << 20, /* bytes that wait; beyond, nothing more is queued */
	READER_REQUEST_MAX = 4096,
	BUSY_RETRY_US = 100 * 1000,
};

struct client {
	struct client_host *host;
	int fd;
	struct client_peer peer;
	struct pace pace;
	uint64_t idle_since_us;
	bool eof;     /* it will send no more */
	bool closing; /* answered with an error: what still comes is thrown away */
	bool failed;  /* of no use any more */
	struct buffer in, out;
	struct control_request *request; /* without its final reply */
	sd_event_source *io, *deadline;
};

static int client_turn(sd_event_source *source, uint64_t now_us, void *arg);

static void client_restart_deadline(struct client *client)
{
	client->idle_since_us = clock_us();
	sd_event_source_set_time_relative(client->deadline, client->host->silence_us);
	sd_event_source_set_enabled(client->deadline, SD_EVENT_ONESHOT);
}

/* Frees it from its own event source soon: the caller may be a verb in the middle of its work. */
static void client_fail(struct client *client)
{
	client->failed = true;
	sd_event_source_set_time_relative(client->deadline, 0);
	sd_event_source_set_enabled(client->deadline, SD_EVENT_ONESHOT);
}

static void client_listen(struct client *client)
{
	bool reads =
		client->closing || (!client->request && !client->out.length && !client->pace.waits);
	uint32_t events =
		(reads && !client->eof ? EPOLLIN : 0) | (client->out.length ? EPOLLOUT : 0);

	sd_event_source_set_io_events(client->io, events);
}

void client_queue(struct client *client, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;

	json_decref(message);
	if (!text || client->out.length > OUT_BACKLOG_MAX ||
	    buffer_add(&client->out, text, strlen(text)) || buffer_add(&client->out, "\n", 1))
		client_fail(client);
	free(text);
	if (!client->failed)
		client_listen(client);
}

static void client_flush(struct client *client)
{
	ssize_t sent;

	while (client->out.length) {
		sent = send(client->fd, client->out.bytes, client->out.length,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			client->failed |= errno != EAGAIN;
			return;
		}
		buffer_drop(&client->out, sent);
		if (!client->request && !client->closing)
			client_restart_deadline(client);
	}
}

/* Answers and closes: after its end of file a client may still be sending, so read on till its own. */
static void client_reject(struct client *client, const char *why)
{
	client->closing = true;
	buffer_drop(&client->in, client->in.length);
	client_queue(client, json_pack("{s:b, s:s, s:i}", "ok", 0, "error", why, "exit",
				       (int)LB_CTL_REFUSED));
	client_flush(client);
	if (!client->out.length)
		shutdown(client->fd, SHUT_WR);
}

static void client_start_request(struct client *client, json_t *message)
{
	struct client_host *host = client->host;
	struct control_request *request = malloc(sizeof(*request));

	if (!request) {
		client_fail(client);
		return;
	}
	*request = (struct control_request){.client = client};
	client->request = request;
	sd_event_source_set_enabled(client->deadline, SD_EVENT_OFF);
	host->handler.request(host->arg, request, message, client->peer.rank != RANK_READER);
}

static size_t client_request_max(const struct client *client)
{
	return client->peer.rank == RANK_READER ? READER_REQUEST_MAX : LB_CTL_REQUEST_MAX;
}

static void client_take_line(struct client *client, size_t length)
{
	char why[CONTROL_WHY_BYTES];
	json_t *message = control_parse(client->in.bytes, length, why);

	buffer_drop(&client->in, length);
	if (message)
		client_start_request(client, message);
	else
		client_reject(client, why);
	json_decref(message);
}

static void client_wait(struct client *client, uint64_t time_us)
{
	client->failed |=
		pace_wait(&client->pace, time_us, client->host->event, client_turn, client) < 0;
	sd_event_source_set_enabled(client->deadline, SD_EVENT_OFF);
}

/* Is it the turn of its user, or will client_turn() say so later? */
static bool client_has_turn(struct client *client)
{
	uint64_t left_us = pace_left_us(&client->pace);

	if (left_us)
		client_wait(client, left_us);
	return !left_us;
}

/* Takes one line from the input; false when there is none, or not yet. */
static bool client_parse(struct client *client)
{
	char *end = client->in.length ? memchr(client->in.bytes, '\n', client->in.length) : NULL;
	size_t length = end ? (size_t)(end - client->in.bytes) + 1 : 0;
	char why[64];

	if (!end && client->in.length < client_request_max(client))
		return false;
	if (!end) {
		snprintf(why, sizeof(why), "request of more than %zu bytes",
			 client_request_max(client));
		client_reject(client, why);
		return false;
	}
	if (!client_has_turn(client))
		return false;
	pace_start(&client->pace);
	client_take_line(client, length);
	pace_charge(&client->pace);
	return true;
}

static void client_read(struct client *client)
{
	size_t free_bytes = client_request_max(client) - client->in.length;
	char *room = buffer_reserve(&client->in, free_bytes);
	ssize_t got;

	if (!room) {
		client->failed = true;
		return;
	}
	got = stranger_recv(client->fd, client->peer.uid, room, free_bytes, NULL, NULL);
	if (got < 0 && errno == EBUSY) {
		client_wait(client, BUSY_RETRY_US);
		return;
	}
	if (got > 0 && !client->closing)
		client->in.length += got;
	client->eof |= !got;
	client->failed |= got < 0 && errno != EAGAIN && errno != EINTR;
}

/* All that can be done now; frees the client when that was all. */
static void client_go_on(struct client *client)
{
	client_flush(client);
	while (!client->failed && !client->closing && !client->request && !client->out.length &&
	       client_parse(client))
		client_flush(client);
	if (client->closing && !client->out.length)
		shutdown(client->fd, SHUT_WR);
	if (client->failed ||
	    (client->eof && !client->request && !client->out.length && !client->pace.waits))
		client_free(client);
	else
		client_listen(client);
}

static int client_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct client *client = arg;
	bool is_gone = events & (EPOLLHUP | EPOLLERR);

	(void)source, (void)fd;
	if (is_gone && (client->request || client->pace.waits)) {
		client_free(client);
		return 0;
	}
	if ((events & EPOLLIN) || is_gone)
		client_read(client);
	client_go_on(client);
	return 0;
}

static int client_turn(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct client *client = arg;

	(void)source, (void)now_us;
	client->pace.waits = false;
	client_restart_deadline(client);
	client_go_on(client);
	return 0;
}

static int client_expire(sd_event_source *source, uint64_t now_us, void *arg)
{
	(void)source, (void)now_us;
	client_free(arg);
	return 0;
}

static int client_watch(struct client *client, int fd)
{
	struct client_host *host = client->host;
	int error = sd_event_add_io(host->event, &client->io, fd, EPOLLIN, client_ready, client);

	if (error >= 0)
		error = clock_arm_anew(host->event, &client->deadline, host->silence_us,
				       CLOCK_LAX_US, client_expire, client);
	return error;
}

/* Only of one that no event source and no request can reach any more. */
static void client_destroy(struct client *client)
{
	sd_event_source_disable_unref(client->io);
	sd_event_source_disable_unref(client->deadline);
	pace_free(&client->pace);
	buffer_free(&client->in);
	buffer_free(&client->out);
	free(client);
}

int client_new(struct client_host *host, int fd, const struct client_peer *peer,
	       struct client **out)
{
	struct client *client = calloc(1, sizeof(*client));
	int error = 0;

	if (!client)
		return -ENOMEM;
	client->host = host;
	client->peer = *peer;
	client->idle_since_us = clock_us();
	if (peer->rank == RANK_READER)
		error = pace_count(&client->pace, &host->accounts, peer->uid,
				   client->idle_since_us);
	if (!error)
		error = client_watch(client, fd);
	if (error < 0) {
		client_destroy(client);
		return error;
	}
	client->fd = fd;
	*out = client;
	return 0;
}

void client_free(struct client *client)
{
	struct client_host *host = client->host;
	struct control_request *request = client->request;
	uid_t user = client->peer.uid;
	int fd = client->fd;

	client->request = NULL;
	if (request)
		host->handler.gone(host->arg, request);
	free(request);
	host->closed(host, client);
	client_flush(client);
	/* Its event source first: epoll tells of a closed descriptor as long as a fork has a copy of it. */
	client_destroy(client);
	stranger_close(fd, user);
}

const struct client_peer *client_peer(const struct client *client)
{
	return &client->peer;
}

uint64_t client_idle_since_us(const struct client *client)
{
	return client->request ? UINT64_MAX : client->idle_since_us;
}

struct control_request *client_request(const struct client *client)
{
	return client->request;
}

size_t client_backlog(const struct client *client)
{
	return client->out.length;
}

void client_end_request(struct client *client, json_t *reply)
{
	const struct client_host *host = client->host;

	if (host->handler.settle)
		host->handler.settle(host->arg);
	free(client->request);
	client->request = NULL;
	client_restart_deadline(client);
	client_queue(client, reply);
}
