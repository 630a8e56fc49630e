/* SPDX-License-Identifier: Apache-2.0 */
#include "deaf.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "addr.h"
#include "backend.h"
#include "clock.h"
#include "log.h"

enum { LOOK_US = 2 * 1000 * 1000, DEAF_US = 10 * 1000 * 1000 };

/* Of a listening socket tcpi_unacked is its accept queue: tcp_get_info(), net/ipv4/tcp.c. */
static uint32_t queue_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ||
			       info.tcpi_state != TCP_LISTEN
		       ? 0
		       : info.tcpi_unacked;
}

static const char *bound_to(int fd, char text[ADDR_TEXT_BYTES])
{
	struct sockaddr_storage sa = {0};
	socklen_t length = sizeof(sa);
	struct lb_endpoint bound;

	if (getsockname(fd, (struct sockaddr *)&sa, &length) || addr_from_sockaddr(&sa, &bound))
		return "one of its listeners";
	return addr_format_endpoint(&bound, text);
}

static void mark(struct backend *backend, bool is_v6)
{
	char text[ADDR_TEXT_BYTES];

	backend->deaf.said[is_v6] = true;
	backend_note(backend,
		     "accepts nothing from %s, where clients wait: by dual_stack it has two "
		     "descriptors, 3 and 4 (LISTEN_FDS), and must accept from both",
		     bound_to(worker_listener(backend->worker, is_v6), text));
	log_warning("%s: %s", backend->name, backend->note);
}

static void end(struct backend *backend, bool is_v6)
{
	char text[ADDR_TEXT_BYTES];

	backend->deaf.said[is_v6] = false;
	if (!backend->stuck.said)
		backend->note[0] = 0;
	log_info("%s: accepts from %s again", backend->name,
		 bound_to(worker_listener(backend->worker, is_v6), text));
}

static void look_at(struct backend *backend, bool is_v6, uint32_t queue, uint32_t other)
{
	struct deaf *deaf = &backend->deaf;

	if (!queue || queue < deaf->queue[is_v6]) {
		deaf->since_us[is_v6] = 0;
		if (deaf->said[is_v6])
			end(backend, is_v6);
	}
	deaf->queue[is_v6] = queue;
	if (queue && !deaf->since_us[is_v6])
		deaf->since_us[is_v6] = clock_us();
	if (queue && !other && !deaf->said[is_v6] && clock_us() - deaf->since_us[is_v6] >= DEAF_US)
		mark(backend, is_v6);
}

static int on_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct backend *backend = arg;
	int v4 = worker_listener(backend->worker, false);
	int v6 = worker_listener(backend->worker, true);

	(void)source, (void)now;
	if (v4 >= 0 && v6 >= 0 && v4 != v6) {
		uint32_t of_v4 = queue_of(v4), of_v6 = queue_of(v6);

		look_at(backend, false, of_v4, of_v6);
		look_at(backend, true, of_v6, of_v4);
	}
	clock_arm(backend->model->event, &backend->deaf.timer, LOOK_US, on_look, backend);
	return 0;
}

void deaf_watch(struct backend *backend)
{
	const struct conf_worker *conf = backend->pool ? backend->pool->conf->worker : NULL;

	if (backend->worker && conf && conf->inherit && conf->dual_stack)
		clock_arm(backend->model->event, &backend->deaf.timer, LOOK_US, on_look, backend);
}

void deaf_forget(struct backend *backend)
{
	sd_event_source_disable_unref(backend->deaf.timer);
	backend->deaf = (struct deaf){0};
}
