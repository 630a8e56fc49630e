/* SPDX-License-Identifier: Apache-2.0 */
/* A backend's health check: when there is one, where it goes, what it finds. */
#include "apply/apply.h"
#include "backend/private.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "remember/remember.h"

enum { TRY_AGAIN_US = 1000 * 1000 };

/* What a worker inherits listens before it runs. */
static bool wants_check(const struct backend *backend, const struct conf_health *conf)
{
	return conf->kind != HEALTH_NONE && backend_listens(backend) &&
	       (!backend->worker || worker_runs(backend->worker));
}

/* It would never be up, nor restarted where that is asked for. */
void backend_await_check(struct backend *backend)
{
	bool lacks_check = backend->state == STATE_DOWN && !backend->check.health &&
			   backend->pool && wants_check(backend, &backend->pool->conf->health);

	if (lacks_check || backend_process_check_restarts(backend))
		backend_arm(backend, TRY_AGAIN_US);
}

/*
 * A worker may listen at the loopback of the other family alone, and who has its own address then answers for
 * somebody else.
 */
static struct lb_endpoint check_endpoint(const struct backend *backend)
{
	struct lb_endpoint endpoint = backend->endpoint;
	bool is_v6 = !addr_is_v4(&endpoint.addr);

	if (!backend->worker || backend->listens[is_v6] || !backend->listens[!is_v6] ||
	    !addr_is_loopback(&endpoint.addr))
		return endpoint;
	addr_loopback(!is_v6, &endpoint.addr);
	return endpoint;
}

static bool check_follows(const struct backend *backend, const struct conf_health *conf)
{
	struct lb_endpoint endpoint = check_endpoint(backend);

	return health_follows(backend->check.health, conf, &endpoint);
}

static void health_changed(void *arg, bool healthy, const char *why)
{
	struct backend *backend = arg;

	if (healthy != backend->check.passes)
		log_info("%s: check %s: %s", backend->name, healthy ? "passes" : "fails", why);
	backend->check.passes = healthy;
	backend->check.fails = !healthy;
	backend_evaluate(backend);
	apply_backend(backend); /* one that was never up has not changed its state by it */
	backend_process_check_failed(backend);
}

static void health_counted(void *arg)
{
	struct backend *backend = arg;

	remember_later(backend->model);
	if (backend->pool)
		apply_pool_coming(backend->pool);
}

/* A process that has not been up yet, and has not had as long as a start may take. */
static bool health_awaited(void *arg)
{
	const struct backend *backend = arg;

	return backend->worker && !backend->ready_us &&
	       clock_us() - worker_started_us(backend->worker) <
		       backend->pool->conf->worker->start_timeout_ms * 1000ULL;
}

/* Its note tells of the last try, also where that changes nothing. */
static void health_looked(void *arg)
{
	backend_explain(arg);
}

static const struct health_ops health_ops = {.looked = health_looked,
					     .changed = health_changed,
					     .counted = health_counted,
					     .awaited = health_awaited};

static int new_check(struct backend *backend, const struct conf_health *conf, struct health **out,
		     struct error *error)
{
	struct lb_endpoint endpoint = check_endpoint(backend);
	struct model *model = backend->model;
	int err = health_new(model->event, model->outgoing, model->host->cgroup, conf, &endpoint,
			     &health_ops, backend, out, error);

	if (err)
		return err;
	health_resume(*out, backend->check.tally);
	backend->check.tally = (struct health_tally){0};
	return 0;
}

int backend_prepare_health(struct backend *backend, const struct conf_health *conf,
			   struct error *error)
{
	int err = 0;

	if (wants_check(backend, conf) && !(backend->check.health && check_follows(backend, conf)))
		err = new_check(backend, conf, &backend->check.prepared, error);
	return err ? error_prefix(error, err, "%s", backend->name) : 0;
}

void backend_drop_health(struct backend *backend)
{
	health_free(backend->check.prepared);
	backend->check.prepared = NULL;
}

void backend_forget_check(struct backend *backend)
{
	health_free(backend->check.health);
	backend->check.health = NULL;
	backend->check.passes = backend->check.fails = false;
	backend->check.tally = (struct health_tally){0};
}

void backend_hold_check(struct backend *backend)
{
	bool ends = backend->state == STATE_DRAINING || backend->state == STATE_STOPPING;

	if (backend->check.health)
		health_hold(backend->check.health, ends);
}

/* A check runs while there is something to check. */
void backend_set_health(struct backend *backend, const struct conf_health *conf)
{
	bool wanted = wants_check(backend, conf);
	struct error error;

	/* What was found by the check before counts until the new one has found something. */
	if (backend->check.health && (!wanted || !check_follows(backend, conf))) {
		health_free(backend->check.health);
		backend->check.health = NULL;
	}
	backend->check.passes &= wanted;
	backend->check.fails &= wanted;
	if (wanted && !backend->check.health) {
		backend->check.health = backend->check.prepared;
		backend->check.prepared = NULL;
		/* One that serves has to fail the check that it did not have before. */
		backend->check.passes |= backend->state == STATE_UP;
	}
	backend_drop_health(backend);
	if (wanted && !backend->check.health &&
	    new_check(backend, conf, &backend->check.health, &error))
		log_error("%s: %s; trying again", backend->name, error.text);
	backend_hold_check(backend);
	backend_await_check(backend);
}
