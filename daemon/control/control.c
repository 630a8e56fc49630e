/* SPDX-License-Identifier: Apache-2.0 */
#include "control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/access.h"
#include "control/listening.h"
#include "control/places.h"
#include "host/process/stranger.h"
#include "lb/ctl.h"

enum {
	SILENCE_US = 10 * 1000 * 1000,
	ACCEPT_RETRY_US = 1000 * 1000,
};

struct control {
	struct client_host host; /* first: client_host is all that clients know of it */
	int fd;
	char *path;
	sd_event_source *accept, *retry;
	struct places places;
	struct control_access access;
};

static void accept_one(struct control *control, int fd)
{
	static const char full[] =
		"{\"ok\": false, \"exit\": 1, \"error\": \"too many connections of "
		"your user; close some\"}\n";
	struct client_peer peer;
	struct client *client;
	struct ucred credentials;
	socklen_t length = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length)) {
		stranger_close(fd, geteuid());
		return;
	}
	peer = (struct client_peer){credentials.uid,
				    access_rank(&control->access, fd, &credentials)};
	if (!places_make(&control->places, &peer) ||
	    client_new(&control->host, fd, &peer, &client)) {
		send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		stranger_close(fd, peer.uid);
		return;
	}
	places_add(&control->places, client);
}

/* Full, or out of descriptors: the rest wait in the accept queue. */
static void accept_pause(struct control *control, bool retry)
{
	sd_event_source_set_enabled(control->accept, SD_EVENT_OFF);
	if (retry) {
		sd_event_source_set_time_relative(control->retry, ACCEPT_RETRY_US);
		sd_event_source_set_enabled(control->retry, SD_EVENT_ONESHOT);
	}
}

static int accept_ready(sd_event_source *source, int listener, uint32_t events, void *arg)
{
	struct control *control = arg;
	int fd;

	(void)source, (void)events;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		accept_one(control, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		accept_pause(control, true);
	if (control->places.count == PLACES_MAX)
		accept_pause(control, false);
	return 0;
}

static int accept_retry(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct control *control = arg;

	(void)source, (void)now_us;
	if (control->places.count < PLACES_MAX)
		sd_event_source_set_enabled(control->accept, SD_EVENT_ON);
	return 0;
}

static void client_closed(struct client_host *host, struct client *client)
{
	struct control *control = (struct control *)host;

	places_remove(&control->places, client);
	sd_event_source_set_enabled(control->accept, SD_EVENT_ON);
}

static int watch_listening(struct control *control, struct error *error)
{
	sd_event *event = control->host.event;
	int result = sd_event_add_io(event, &control->accept, control->fd, EPOLLIN, accept_ready,
				     control);

	if (result >= 0)
		result = clock_arm_anew(event, &control->retry, ACCEPT_RETRY_US, CLOCK_LAX_US,
					accept_retry, control);
	if (result < 0)
		return error_set(error, result, "control: cannot watch its socket: %s",
				 strerror(-result));
	return 0;
}

int control_new(sd_event *event, const char *path, const struct control_access *access,
		const struct control_handler *handler, void *arg, struct control **out,
		struct error *error)
{
	struct control *control = calloc(1, sizeof(*control));
	int result;

	if (!control)
		return error_set(error, -ENOMEM, "control: no memory");
	control->host = (struct client_host){.event = sd_event_ref(event),
					     .handler = *handler,
					     .arg = arg,
					     .silence_us = SILENCE_US,
					     .closed = client_closed};
	control->access = *access;
	control->fd = listening_go_on(path, access);
	if (control->fd < 0)
		control->fd = listening_open(path, access, error);
	result = control->fd < 0 ? control->fd : 0;
	if (!result) {
		control->path = strdup(path);
		result = control->path ? watch_listening(control, error)
				       : error_set(error, -ENOMEM, "control: no memory");
	}
	if (result)
		control_free(control);
	else
		*out = control;
	return result;
}

int control_set_access(struct control *control, const struct control_access *access,
		       struct error *error)
{
	const struct control_access before = control->access;
	int result;

	control->access = *access;
	if (access_give(access, control->path))
		return 0;
	result = error_set(error, -errno, "control: %s: %s", control->path, strerror(errno));
	control->access = before;
	access_give(&before, control->path);
	return result;
}

struct control_access control_get_access(const struct control *control)
{
	return control->access;
}

int control_mend(struct control *control, struct error *error)
{
	int fd, result;

	if (!access(control->path, F_OK))
		return 0;
	fd = listening_open(control->path, &control->access, error);
	if (fd < 0)
		return fd;
	result = sd_event_source_set_io_fd(control->accept, fd);
	if (result < 0) {
		stranger_close(fd, geteuid());
		return error_set(error, result, "control: cannot watch its socket: %s",
				 strerror(-result));
	}
	stranger_close(control->fd, geteuid());
	control->fd = fd;
	return 0;
}

int control_hand_on(struct control *control)
{
	int fd = control ? control->fd : -1;

	if (!control)
		return -1;
	free(control->path); /* which is not unlinked then */
	control->path = NULL;
	control->fd = -1;
	control_free(control);
	return fd;
}

static void remove_path(struct control *control)
{
	if (control->path)
		unlink(control->path);
	free(control->path);
	control->path = NULL;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (unsigned i = control->places.count; i-- > 0;) {
		struct client *client = control->places.clients[i];
		const struct control_request *request = client_request(client);

		if (!request || !request->awaits_end)
			client_free(client);
	}
	control->host.handler.settle = NULL;
	remove_path(control);
}

void control_end(struct control *control, const char *message)
{
	for (unsigned i = 0; control && i < control->places.count; i++)
		control_message(client_request(control->places.clients[i]), "%s", message);
	control_free(control);
}

void control_free(struct control *control)
{
	if (!control)
		return;
	while (control->places.count)
		client_free(control->places.clients[control->places.count - 1]);
	sd_event_source_disable_unref(control->accept);
	sd_event_source_disable_unref(control->retry);
	remove_path(control);
	if (control->fd >= 0)
		stranger_close(control->fd, geteuid());
	sd_event_unref(control->host.event);
	free(control);
}

void control_set_silence(struct control *control, uint64_t silence_us)
{
	control->host.silence_us = silence_us;
}
