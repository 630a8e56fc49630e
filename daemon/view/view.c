/* SPDX-License-Identifier: Apache-2.0 */
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "datapath/datapath.h"
#include "listeners/shadowed.h"
#include "looks/elsewhere.h"
#include "model/turn.h"
#include "reconcile/nobody.h"
#include "worker/worker.h"

enum { LATE_US = 3 * 1000 * 1000, LATE_LOOKS = 4 };

/* Which families do clients of this pool come by? */
static void find_families(const struct model *model, const struct pool *pool, bool wanted[2])
{
	wanted[0] = wanted[1] = false;
	for (size_t i = 0; i < model->service_count; i++) {
		const struct service *service = model->services[i];

		if (service->pool != pool)
			continue;
		for (size_t j = 0; j < service->conf->listen_count; j++)
			wanted[!addr_is_v4(&service->conf->listens[j].addr)] = true;
	}
}

static json_t *note_of(const struct backend *backend, const bool wanted[2])
{
	if (backend->note[0])
		return json_text(backend->note);
	if (backend->state != STATE_UP)
		return NULL;
	if (wanted[0] && !backend->listens[0])
		return json_string("no IPv4 listener");
	if (wanted[1] && !backend->listens[1])
		return json_string("no IPv6 listener");
	return NULL;
}

static json_t *list_listeners(const struct backend *backend)
{
	json_t *list = json_array();

	if (backend->listens[0])
		json_array_append_new(list, json_string("v4"));
	if (backend->listens[1])
		json_array_append_new(list, json_string("v6"));
	return list;
}

static json_t *view_backend(const struct backend *backend, const struct lb_load *load,
			    const bool wanted[2])
{
	char text[ADDR_TEXT_BYTES];

	return json_pack("{s:s, s:s, s:i, s:I, s:I, s:i, s:i, s:s?, s:o*, s:o, s:o*}", "address",
			 addr_format_endpoint(&backend->endpoint, text), "state",
			 state_name(backend->state), "weight", backend->weight, "active",
			 (json_int_t)load->active, "total", (json_int_t)load->total, "queue",
			 backend->queue, "max_connections", backend->max_connections, "worker",
			 backend->worker ? backend->name : NULL, "owner",
			 backend->maker[0] ? json_text(backend->maker) : NULL, "listeners",
			 list_listeners(backend), "note", note_of(backend, wanted));
}

/* Those without a worker that have gone from a pool of that name; workers are in the list of workers.  NULL: none. */
static json_t *list_leaving(const struct model *model, const char *pool,
			    const struct lb_load *loads)
{
	static const bool wanted[2];
	json_t *list = NULL;

	for (const struct backend *at = model->leaving; at; at = at->next) {
		if (at->worker || strcmp(at->pool->name, pool) != 0)
			continue;
		if (!list)
			list = json_array();
		json_array_append_new(list, view_backend(at, &loads[at->id], wanted));
	}
	return list;
}

static json_t *view_pool(const struct pool *pool, const struct lb_load *loads)
{
	json_t *backends = json_array();
	bool wanted[2];

	find_families(pool->model, pool, wanted);
	for (size_t i = 0; i < pool->count; i++)
		json_array_append_new(backends,
				      view_backend(pool->backends[i], &loads[pool->backends[i]->id],
						   wanted));
	return json_pack("{s:s, s:s, s:b, s:b, s:o, s:o*}", "pool", pool->name, "scheduler",
			 conf_scheduler_name(pool->conf->scheduler), "nobody_serves",
			 nobody_serves(pool), "clients_wait", nobody_serves_yet(pool), "backends",
			 backends, "leaving", list_leaving(pool->model, pool->name, loads));
}

static bool is_listed(const json_t *list, const char *name)
{
	const json_t *pool;
	size_t i;

	json_array_foreach(list, i, pool)
	{
		if (!strcmp(json_string_value(json_object_get(pool, "pool")), name))
			return true;
	}
	return false;
}

/* Pools that have gone, and somebody leaves them. */
static void add_gone(json_t *list, const struct model *model, const struct lb_load *loads)
{
	for (const struct backend *at = model->leaving; at; at = at->next) {
		const struct pool *pool = at->pool;

		if (at->worker || is_listed(list, pool->name))
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:b, s:b, s:o, s:o}", "pool", pool->name,
					"scheduler", conf_scheduler_name(pool->conf->scheduler),
					"nobody_serves", false, "clients_wait", false, "gone", true,
					"backends", json_array(), "leaving",
					list_leaving(model, pool->name, loads)));
	}
}

json_t *view_pools(const struct lbd *lbd, const struct pool *only)
{
	const struct model *model = &lbd->model;
	struct lb_load *loads = calloc(LB_MAX_BACKENDS, sizeof(*loads));
	json_t *list = json_array();

	if (!loads)
		return list;
	datapath_read_loads(model->dp, loads);
	for (size_t i = 0; i < model->pool_count; i++)
		if (!only || model->pools[i] == only)
			json_array_append_new(list, view_pool(model->pools[i], loads));
	if (!only)
		add_gone(list, model, loads);
	free(loads);
	return list;
}

/* With when it is started again: of an hour's backoff nobody should have to guess. */
static void print_worker_note(FILE *out, const struct backend *backend, uint64_t now_us)
{
	bool waits = backend->state == STATE_BACKOFF && backend->retry_us > now_us;

	if (!backend->note[0] && backend->kept_out)
		fputs("drained by command, until `lbctl pool undrain`", out);
	fputs(backend->note, out);
	/* Whose port is held says already that it is tried until that is free. */
	if (waits && !backend->port_held_us && backend->note[0])
		fprintf(out, "; started again in %.1f s",
			(double)(backend->retry_us - now_us) / 1e6);
}

/* The commonest mistake, said long before start_timeout is over.  Each look asks for all sockets of the host. */
static void print_late(FILE *out, const struct backend *backend, uint64_t now_us, unsigned *looks)
{
	char elsewhere[ELSEWHERE_TEXT_BYTES], expected[ADDR_TEXT_BYTES];

	if (backend->state != STATE_STARTING || backend->note[0] || backend_listens(backend) ||
	    !worker_pid(backend->worker) || now_us < worker_started_us(backend->worker) + LATE_US)
		return;
	fprintf(out, "does not listen on %s yet",
		addr_format_endpoint(&backend->endpoint, expected));
	if (!*looks)
		return;
	--*looks;
	if (elsewhere_find(backend, elsewhere))
		fprintf(out, ", as the pool expects: it listens on %s", elsewhere);
}

static json_t *worker_note(const struct backend *backend, uint64_t now_us, unsigned *looks)
{
	const char *limits = worker_limits_note(backend->worker);
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	json_t *note;

	if (!out)
		return NULL;
	print_worker_note(out, backend, now_us);
	print_late(out, backend, now_us, looks);
	if (limits && worker_pid(backend->worker))
		fprintf(out, "%slimit not in force: %s", ftell(out) ? "; " : "", limits);
	fclose(out);
	note = length ? json_text(text) : NULL;
	free(text);
	return note;
}

struct worker_list {
	json_t *list;
	uint64_t now_us;
	unsigned looks; /* at where one listens that is late; so many are left */
};

static void add_worker(void *arg, struct backend *backend)
{
	struct worker_list *workers = arg;
	pid_t pid;
	json_t *one;

	if (!backend->worker)
		return;
	pid = worker_pid(backend->worker);
	one = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s*, s:s*, s:o*}", "name", backend->name,
			"pool", backend->pool->name, "state", state_name(backend->state),
			"restarts", backend->restarts, "failures", backend->failures, "settings",
			worker_is_outdated(backend->worker) ? "old" : NULL, "roll",
			backend->turn ? turn_name(backend->turn) : NULL, "note",
			worker_note(backend, workers->now_us, &workers->looks));
	if (worker_relistened(backend->worker))
		json_object_set_new(one, "relistened",
				    json_integer(worker_relistened(backend->worker)));
	if (pid) {
		json_object_set_new(one, "pid", json_integer(pid));
		json_object_set_new(one, "uptime_s",
				    json_integer((json_int_t)(workers->now_us -
							      worker_started_us(backend->worker)) /
						 1000000));
		json_object_set_new(one, "memory",
				    json_integer((json_int_t)worker_memory(backend->worker)));
	}
	if (backend->state == STATE_BACKOFF && backend->retry_us > workers->now_us)
		json_object_set_new(one, "retry_ms",
				    json_integer((json_int_t)(backend->retry_us - workers->now_us) /
						 1000));
	json_array_append_new(workers->list, one);
}

json_t *view_workers(struct lbd *lbd, const char *target)
{
	struct worker_list workers = {.list = json_array(),
				      .now_us = clock_us(),
				      .looks = LATE_LOOKS};
	struct error ignored;

	if (target)
		pool_each_target(&lbd->model, target, add_worker, &workers, &ignored);
	else
		pool_each_backend(&lbd->model, add_worker, &workers);
	return workers.list;
}

static json_t *list_listens(const struct conf_service *conf)
{
	json_t *list = json_array();
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < conf->listen_count; i++)
		json_array_append_new(list,
				      json_string(addr_format_endpoint(&conf->listens[i], text)));
	return list;
}

json_t *view_services(const struct lbd *lbd)
{
	const struct model *model = &lbd->model;
	struct lb_service_count *counts = calloc(LB_MAX_SERVICES, sizeof(*counts));
	json_t *list = json_array();

	if (!counts)
		return list;
	datapath_read_service_counts(model->dp, counts);
	for (size_t i = 0; i < model->service_count; i++) {
		const struct service *service = model->services[i];
		const struct lb_service_count *count = &counts[service->id];
		char text[SHADOWED_TEXT_BYTES];
		const char *note = shadowed_text(service, text);

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o*}", "service",
				  service->name, "pool", service->pool->name, "listens",
				  list_listens(service->conf), "connections",
				  (json_int_t)count->connections, "refused",
				  (json_int_t)count->refused, "dropped", (json_int_t)count->dropped,
				  "deferred", (json_int_t)count->deferred, "denied",
				  (json_int_t)count->denied, "note",
				  note ? json_text(note) : NULL));
	}
	free(counts);
	return list;
}
