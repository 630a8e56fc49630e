/* SPDX-License-Identifier: Apache-2.0 */
/* A backend is well when it accepts a connection. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "health/private.h"

static void set_reset(const struct health *health, bool is_reset)
{
	struct linger linger = {.l_onoff = is_reset};

	setsockopt(health->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void health_let_close(const struct health *health)
{
	if (health->fd >= 0)
		set_reset(health, false);
}

int health_connect(struct health *health, sd_event_io_handler_t handler)
{
	int err, fd = outgoing_connect(health->outgoing, &health->endpoint);

	if (fd < 0)
		return fd;
	health->fd = fd;
	set_reset(health, true);
	err = sd_event_add_io(health->event, &health->source, health->fd, EPOLLOUT, handler,
			      health);
	return err < 0 ? err : 0;
}

void health_disconnect(struct health *health)
{
	health->source = sd_event_source_disable_unref(health->source);
	if (health->fd >= 0)
		close(health->fd);
	health->fd = -1;
}

int health_connect_error(const struct health *health)
{
	socklen_t length = sizeof(int);
	int err = 0;

	if (getsockopt(health->fd, SOL_SOCKET, SO_ERROR, &err, &length))
		return -errno;
	return -err;
}

static int on_connected(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct health *health = arg;
	int err = health_connect_error(health);

	(void)source, (void)fd, (void)events;
	if (err)
		health_result(health, false, "%s", strerror(-err));
	else
		health_result(health, true, "connected");
	return 0;
}

static int start_connect(struct health *health)
{
	return health_connect(health, on_connected);
}

const struct health_kind health_tcp = {.start = start_connect, .stop = health_disconnect};
