/* SPDX-License-Identifier: Apache-2.0 */
#include "looks/deaf.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "model/choice.h"
#include "model/pool.h"
#include "worker/worker.h"

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

bool deaf_is_told(const struct backend *backend)
{
	return backend->deaf.said[0] || backend->deaf.said[1];
}

void deaf_text(const struct backend *backend, char text[BACKEND_NOTE_BYTES])
{
	const struct deaf *deaf = &backend->deaf;
	bool is_v6 = deaf->said[1];
	char address[ADDR_TEXT_BYTES];

	snprintf(text, BACKEND_NOTE_BYTES,
		 "accepts nothing from %s, where clients wait: by dual_stack it has two "
		 "descriptors, 3 and 4 (LISTEN_FDS), and must accept from both%s",
		 bound_to(worker_listener(backend->worker, is_v6), address),
		 !deaf->out[is_v6] ? ""
		 : is_v6           ? "; others of its pool take clients over IPv6"
				   : "; others of its pool take clients over IPv4");
}

static void mark_deaf(struct backend *backend, bool is_v6)
{
	char text[ADDR_TEXT_BYTES];

	backend->deaf.said[is_v6] = true;
	log_warning("%s: accepts nothing from %s, where clients wait: by dual_stack it has two "
		    "descriptors, 3 and 4 (LISTEN_FDS), and must accept from both",
		    backend->name, bound_to(worker_listener(backend->worker, is_v6), text));
}

static void end_deaf(struct backend *backend, bool is_v6)
{
	char text[ADDR_TEXT_BYTES];

	backend->deaf.said[is_v6] = false;
	log_info("%s: accepts from %s again", backend->name,
		 bound_to(worker_listener(backend->worker, is_v6), text));
}

/* DANGER: of more than these the kernel side looks at a few, all of which may be deaf: nobody would be chosen. */
static bool others_take(const struct backend *backend, bool is_v6)
{
	const struct pool *pool = backend->pool;

	for (size_t i = 0; i < pool->count && pool->count <= LB_POOL_MEMBERS; i++) {
		const struct backend *other = pool->backends[i];

		if (other != backend && other->state == STATE_UP && choice_enabled(other) &&
		    other->listens[is_v6] && !other->deaf.said[is_v6] && !other->stuck.since_us)
			return true;
	}
	return false;
}

/*
 * By what the kernel side has for it: whom it has no listener of, it does not choose for that family.  False: it is
 * chosen still, which the next look tries to change again.
 */
static bool put_listener(struct backend *backend, bool is_v6, bool out)
{
	struct datapath *dp = backend->model->dp;
	int fd = worker_listener(backend->worker, is_v6);

	if (out && datapath_remove_listener(dp, backend->id, is_v6))
		return false;
	if (!out &&
	    (fd < 0 || datapath_set_listener(dp, backend->id, backend->generation, is_v6, fd)))
		return true; /* the next look at all listeners finds it */
	backend->listens[is_v6] = !out;
	return true;
}

static void decide_deaf(struct backend *backend, bool is_v6)
{
	struct deaf *deaf = &backend->deaf;
	bool out = deaf->said[is_v6] && others_take(backend, is_v6);

	if (out == deaf->out[is_v6])
		return;
	if (!put_listener(backend, is_v6, out))
		return;
	deaf->out[is_v6] = out;
	log_info("%s: %s for clients over IPv%d%s", backend->name,
		 out ? "not chosen" : "chosen again", is_v6 ? 6 : 4,
		 deaf->said[is_v6] && !out ? ": no other of its pool takes them" : "");
}

static void judge_queue(struct backend *backend, bool is_v6, uint32_t queue, uint32_t other)
{
	struct deaf *deaf = &backend->deaf;

	if (!queue || queue < deaf->queue[is_v6]) {
		deaf->since_us[is_v6] = 0;
		if (deaf->said[is_v6])
			end_deaf(backend, is_v6);
	}
	deaf->queue[is_v6] = queue;
	if (queue && !deaf->since_us[is_v6])
		deaf->since_us[is_v6] = clock_us();
	if (queue && !other && !deaf->said[is_v6] && clock_us() - deaf->since_us[is_v6] >= DEAF_US)
		mark_deaf(backend, is_v6);
}

void deaf_look_at_others(const struct backend *backend)
{
	const struct pool *pool = backend->pool;

	for (size_t i = 0; pool && i < pool->count; i++)
		for (int is_v6 = 0; is_v6 < 2; is_v6++)
			if (pool->backends[i]->deaf.out[is_v6]) {
				decide_deaf(pool->backends[i], is_v6);
				backend->model->hooks.explain_anew(pool->backends[i]);
			}
}

static int on_deaf_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct backend *backend = arg;
	int v4 = worker_listener(backend->worker, false);
	int v6 = worker_listener(backend->worker, true);
	bool was_told = deaf_is_told(backend);

	(void)source, (void)now;
	if (v4 >= 0 && v6 >= 0 && v4 != v6) {
		uint32_t of_v4 = queue_of(v4), of_v6 = queue_of(v6);

		judge_queue(backend, false, of_v4, of_v6);
		judge_queue(backend, true, of_v6, of_v4);
		decide_deaf(backend, false);
		decide_deaf(backend, true);
		if (was_told || deaf_is_told(backend))
			backend->model->hooks.explain_anew(backend);
	}
	clock_arm(backend->model->event, &backend->deaf.timer, LOOK_US, on_deaf_look, backend);
	return 0;
}

void deaf_watch(struct backend *backend)
{
	const struct conf_worker *conf = backend->pool ? backend->pool->conf->worker : NULL;

	if (backend->worker && conf && conf->inherit && conf->dual_stack)
		clock_arm(backend->model->event, &backend->deaf.timer, LOOK_US, on_deaf_look,
			  backend);
}

void deaf_end(struct backend *backend)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		if (backend->deaf.out[is_v6])
			put_listener(backend, is_v6, false);
	deaf_forget(backend);
}

void deaf_forget(struct backend *backend)
{
	sd_event_source_disable_unref(backend->deaf.timer);
	backend->deaf = (struct deaf){0};
}
