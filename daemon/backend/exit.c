/* SPDX-License-Identifier: Apache-2.0 */
/* What follows when a backend's process has exited, or could not be spawned. */
#include <arpa/inet.h>

#include "backend/private.h"
#include "base/clock.h"
#include "base/log.h"
#include "looks/port_user.h"

enum { PORT_RETRY_US = 1000 * 1000 };

void backend_wait_for_port(struct backend *backend)
{
	backend_note(backend,
		     "port %u is in use by %s%s: end it, or change `ports`; tried again until it "
		     "is free",
		     ntohs(backend->endpoint.port), backend->stranger.text,
		     port_user_apart(&backend->stranger));
	if (!backend->port_held_us) {
		backend->port_held_us = clock_us();
		log_error("%s: %s", backend->name, backend->note);
	}
	backend->retry_us = clock_us() + PORT_RETRY_US;
	backend_event(backend, EVENT_EXIT);
}

void backend_process_failed(struct backend *backend, bool is_told)
{
	const struct conf_worker *conf = backend_worker_conf(backend);
	uint32_t delay_ms = 0;

	bool is_held = backend->stranger.inode && !backend->stranger.is_own;

	if (backend->failures > conf->start_retries && !is_held) {
		log_error("%s: given up after %u failures in a row, with start_retries %u: %s "
			  "(start it by "
			  "`lbctl worker start %s`)",
			  backend->name, backend->failures, conf->start_retries, backend->note,
			  backend->name);
		backend_event(backend, EVENT_EXIT_FATAL);
		return;
	}
	if (backend->failures)
		delay_ms = worker_backoff_ms(backend->failures, conf->backoff_min_ms,
					     conf->backoff_max_ms);
	backend->retry_us = clock_us() + delay_ms * 1000ULL;
	log_warning("%s: %s; started again in %u ms", backend->name,
		    is_told ? "has ended" : backend->note, delay_ms);
	backend_event(backend, EVENT_EXIT);
}

static bool to_restart(const struct backend *backend, const struct worker_exit *exit)
{
	/* Its exit code is the answer to a stop signal. */
	if (*backend->ends_for)
		return backend->ready_us || backend_worker_conf(backend)->restart != RESTART_NEVER;
	switch (backend_worker_conf(backend)->restart) {
	case RESTART_ALWAYS:
		return true;
	case RESTART_ON_FAILURE:
		return !exit->known || !exit->expected;
	default:
		return false;
	}
}

/*
 * Its listener is gone before the exit is known: the state tells nothing here, but since when it is down
 * does.  What passed until its failing check had it restarted is no time that it was up.
 */
static bool was_stable(const struct backend *backend)
{
	uint64_t until_us = backend->state == STATE_DOWN ? backend->since_us : clock_us();

	return backend->ready_us && until_us > backend->ready_us &&
	       until_us - backend->ready_us >= backend_worker_conf(backend)->stable_ms * 1000ULL;
}

static void on_exit_of_running(struct backend *backend, const struct worker_exit *exit)
{
	bool wanted_end = backend->goal != GOAL_RUN && backend->goal != GOAL_DRAIN;
	bool restart = to_restart(backend, exit), is_told = *backend->ends_for;

	backend_note_exit(backend, exit);
	backend->ends_for[0] = 0;
	if (wanted_end) {
		/* It left by itself while it was drained: no failure. */
		backend_event(backend, EVENT_STOP);
		backend_event(backend, EVENT_EXIT);
	} else if (restart && !backend->ready_us &&
		   port_user_find(backend, PORT_USER_LISTENS, &backend->stranger)) {
		backend_wait_for_port(backend);
	} else if (restart) {
		bool stable = was_stable(backend);

		backend->failures = stable ? 0 : backend->failures + 1;
		backend_process_failed(backend, is_told);
	} else {
		log_info("%s: %s; left so by its restart policy", backend->name, backend->note);
		backend_event(backend, EVENT_EXIT_KEPT);
	}
}

void backend_process_exited(struct backend *backend, const struct worker_exit *exit)
{
	if (backend->state == STATE_STOPPING) {
		backend->ends_for[0] = 0; /* a command came after that */
		backend_event(backend, EVENT_EXIT);
	} else {
		on_exit_of_running(backend, exit);
	}
}
