/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: bytes as a client may send them, in the pieces that the input's first byte says.
 * Its second byte says whether the handler answers at once, later, or never.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/control.h"

static sd_event *event;
static struct control *control;
static struct control_request *held;
static uint8_t manner;
static char path[64];

static void fake_request(void *arg, struct control_request *request, json_t *message,
			 bool may_change)
{
	(void)arg, (void)may_change;
	if (!json_is_object(message) || held)
		abort();
	if (manner % 4 == 0)
		control_reply(request, json_incref(message));
	else if (manner % 4 == 1)
		control_refuse(request, 1,
			       json_string_value(json_object_get(message, "verb")) ?: "");
	else
		held = request;
}

static void fake_gone(void *arg, struct control_request *request)
{
	(void)arg;
	if (request != held)
		abort();
	held = NULL;
}

static void clean_up(void)
{
	control_free(control);
	sd_event_unref(event);
}

static void set_up(void)
{
	static const struct control_handler handler = {.request = fake_request, .gone = fake_gone};
	const struct control_access access = {0600, geteuid(), (gid_t)-1};
	struct error error;

	snprintf(path, sizeof(path), "/tmp/lbd-fuzz-%d", (int)getpid());
	if (sd_event_new(&event) < 0 ||
	    control_new(event, path, &access, &handler, NULL, &control, &error))
		abort();
	atexit(clean_up);
}

static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		abort();
	return fd;
}

static void run_loop(void)
{
	for (int i = 0; i < 16 && sd_event_run(event, 0) > 0; i++)
		if (held && manner % 4 == 2) {
			struct control_request *request = held;

			held = NULL;
			control_progress(request, "on its way");
			control_message(request, "later");
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char reply[4096];
	size_t piece, sent;
	int fd;

	if (size < 2)
		return 0;
	if (!event)
		set_up();
	piece = bytes[0] ? bytes[0] : size;
	manner = bytes[1];
	fd = dial();
	for (sent = 2; sent < size; sent += piece) {
		size_t length = size - sent < piece ? size - sent : piece;

		if (send(fd, bytes + sent, length, MSG_NOSIGNAL) < 0)
			break;
		run_loop();
		while (recv(fd, reply, sizeof(reply), 0) > 0)
			;
	}
	if (manner & 4)
		shutdown(fd, SHUT_WR);
	run_loop();
	close(fd);
	run_loop();
	return 0;
}
