/* SPDX-License-Identifier: Apache-2.0 */
#include "model/choice.h"

#include "base/clock.h"
#include "model/all_down.h"
#include "model/model.h"
#include "model/queries.h"
#include "model/readiness.h"
#include "worker/worker.h"

enum { SLOW_START_STEPS = 10 };

/* Is a listener all that readiness asks for? */
static bool gated_by_listener(const struct backend *backend)
{
	const struct conf_worker *conf = backend_worker_conf(backend);

	if (backend_has_check(backend) || backend->stuck.out)
		return false;
	if (!conf || conf->readiness != READY_LISTENER)
		return !conf;
	/* What it inherits listens also where no program runs. */
	return !conf->inherit || worker_runs(backend->worker);
}

bool choice_enabled(const struct backend *backend)
{
	if (!backend->pool || backend->goal != GOAL_RUN || backend->model->stopping ||
	    *backend->ends_for)
		return false;
	switch (backend->state) {
	case STATE_UP:
		return true;
	case STATE_DOWN:
		if (backend->pool->all_down && all_down_fails(backend))
			return true;
		return gated_by_listener(backend);
	case STATE_STARTING:
	case STATE_BACKOFF:
		return gated_by_listener(backend);
	default:
		return false;
	}
}

bool choice_on_trial(const struct backend *backend)
{
	return backend->state == STATE_STARTING && readiness_by_accepts(backend) &&
	       worker_runs(backend->worker);
}

static uint64_t ramp_us(const struct backend *backend)
{
	return backend->pool ? backend->pool->conf->slow_start_ms * 1000ULL : 0;
}

unsigned choice_weight(const struct backend *backend)
{
	uint64_t full = (uint64_t)backend->weight * CHOICE_WEIGHT_SCALE;
	uint64_t ramp = ramp_us(backend);
	uint64_t up_us = backend->up_since_us ? clock_us() - backend->up_since_us : 0;
	uint64_t weight;

	if (!ramp || up_us >= ramp)
		return (unsigned)full;
	/* In steps, so that rings are not rebuilt for every glance. */
	weight = full * (1 + up_us * SLOW_START_STEPS / ramp) / (SLOW_START_STEPS + 1);
	return weight ? (unsigned)weight : 1;
}

uint64_t choice_step_us(const struct backend *backend)
{
	bool is_ramped = choice_weight(backend) < backend->weight * CHOICE_WEIGHT_SCALE;

	return is_ramped ? ramp_us(backend) / SLOW_START_STEPS : UINT64_MAX;
}
