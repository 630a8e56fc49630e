/* SPDX-License-Identifier: Apache-2.0 */
/* A backend's note: why it is not up, for a person. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/private.h"
#include "base/addr.h"
#include "base/clock.h"
#include "looks/deaf.h"
#include "looks/port_user.h"
#include "looks/stuck.h"
#include "model/all_down.h"

enum { LAST_OUTPUT_LINES = 3 };

/* A sockmap takes no MPTCP socket (sock_map_sk_is_suitable(), net/core/sock_map.c). */
const char backend_mptcp[] =
	"listens by MPTCP, which the kernel cannot steer to: use GODEBUG=multipathtcp=0 for Go, or "
	"sysctl net.mptcp.enabled=0, or `listen inherit`";

void backend_note(struct backend *backend, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(backend->note, sizeof(backend->note), format, args);
	va_end(args);
}

static void explain_no_listener(struct backend *backend)
{
	const struct port_user *stranger = &backend->stranger;
	char bound[ADDR_TEXT_BYTES];

	if (backend->is_mptcp)
		backend_note(backend, "%s", backend_mptcp);
	else if (!stranger->inode)
		backend_note(backend, "nothing listens on it");
	else if (backend->worker && (stranger->is_own || !stranger->is_beside))
		backend_note(backend, "port %u is in use by %s%s: end it, or change `ports`",
			     ntohs(backend->endpoint.port), stranger->text,
			     port_user_apart(stranger));
	else if (!memcmp(&stranger->bound, &backend->endpoint, sizeof(backend->endpoint)))
		backend_note(backend, "%s listens on it, but only user %s may", stranger->text,
			     backend->maker);
	else
		backend_note(backend, "nothing listens on it; %s listens on %s, which is another",
			     stranger->text, addr_format_endpoint(&stranger->bound, bound));
}

void backend_explain_down(struct backend *backend)
{
	if (backend->awaits || *backend->ends_for)
		return; /* its note says so */
	if (!backend_listens(backend))
		explain_no_listener(backend);
	else if (backend->stuck.out)
		backend_note(backend, "accepts nothing: its accept queue is full");
	else if (backend->check.health && backend->pool->conf->health.kind != HEALTH_NONE)
		backend_note(backend, "check: %s%s", health_last(backend->check.health),
			     backend->pool->all_down && all_down_fails(backend)
				     ? "; SERVES ON, since all checks of the pool fail"
				     : "");
}

/* By what outlives lbd alone: the next one says the same.  Of another goal the end that follows is told. */
static void explain_drained(struct backend *backend)
{
	bool is_silent = !backend->worker && !backend_listens(backend);

	if (backend->goal != GOAL_DRAIN || *backend->ends_for)
		return;
	backend_note(backend, "drained%s, until `lbctl pool undrain`%s",
		     backend->worker ? " by command" : "",
		     is_silent ? "; nothing listens on it" : "");
}

/* Several may hold at once: the worst is said, and the next one when that is over. */
static void explain_up(struct backend *backend)
{
	if (backend->stuck.said)
		backend_note(backend, "%s", stuck_reason);
	else if (deaf_is_told(backend))
		deaf_text(backend, backend->note);
	else if (backend->silence)
		backend_process_explain_silence(backend);
}

void backend_explain_anew(struct backend *backend)
{
	backend->note[0] = 0;
	backend_explain(backend);
}

/* Of a port that was in use, and is free again, nothing is left to say. */
static void explain_starting(struct backend *backend)
{
	if (backend->check.health || backend->stranger.inode || backend->is_mptcp)
		backend_explain_down(backend);
	else if (!backend->awaits && !*backend->ends_for)
		backend->note[0] = 0;
}

void backend_explain(struct backend *backend)
{
	if (backend->state == STATE_UP)
		explain_up(backend);
	if (backend->state == STATE_DRAINING || backend->state == STATE_DRAINED)
		explain_drained(backend);
	if (backend->state == STATE_STARTING)
		explain_starting(backend);
	if (backend->state == STATE_DOWN)
		backend_explain_down(backend);
}

/* What it could not bind to, a worker that was started tells in its own words, if at all. */
static void add_stranger(struct backend *backend)
{
	struct port_user *stranger = &backend->stranger;
	size_t used = strlen(backend->note), left = sizeof(backend->note) - used;
	uint16_t port = ntohs(backend->endpoint.port);
	char bound[ADDR_TEXT_BYTES];

	if (worker_has_listener(backend->worker) ||
	    !port_user_find(backend, PORT_USER_BESIDE, stranger) || stranger->is_own)
		return;
	if (stranger->is_beside)
		snprintf(backend->note + used, left,
			 "; %s has %s: that hinders only a program that binds port %u of every "
			 "address",
			 stranger->text, addr_format_endpoint(&stranger->bound, bound), port);
	else
		snprintf(backend->note + used, left, "; port %u is in use by %s%s", port,
			 stranger->text, port_user_apart(stranger));
}

/* Adds the end of what the process wrote, on one line, to the note. */
static void add_last_output(struct backend *backend)
{
	size_t used = strlen(backend->note), bytes;
	char *output = worker_last_output(backend->worker, LAST_OUTPUT_LINES, &bytes);

	if (!output)
		return;
	for (size_t i = 0; i < bytes; i++)
		if (output[i] == '\n')
			output[i] = i + 1 < bytes ? '|' : 0;
		else if (!output[i])
			output[i] = '?';
	snprintf(backend->note + used, sizeof(backend->note) - used, "; last output: %s", output);
	free(output);
}

void backend_note_details(struct backend *backend)
{
	if (!backend_listens(backend))
		add_stranger(backend);
	add_last_output(backend);
}

/* As a daemon does by fork(2), soon after its start; where it listens before that, it was up for a moment. */
static bool has_gone_to_background(const struct backend *backend, const struct worker_exit *exit)
{
	uint64_t start_us = backend->pool->conf->worker->start_timeout_ms * 1000ULL;

	return exit->known && !exit->code && exit->left &&
	       (!backend->ready_us || clock_us() < backend->ready_us + start_us);
}

void backend_note_status(struct backend *backend, const struct worker_exit *exit)
{
	if (exit->why)
		backend_note(backend, "%s", exit->why);
	else if (!exit->known)
		backend_note(backend, "exited");
	else if (exit->signal)
		backend_note(backend, "ended by SIG%s%s", sigabbrev_np(exit->signal),
			     exit->core ? " (core dumped)" : "");
	else if (has_gone_to_background(backend, exit))
		backend_note(
			backend,
			"exited with code 0 and left pid %d of it running, which is ended: its "
			"program goes to the background; keep it in the foreground: gunicorn "
			"without --daemon, nginx with `daemon off;`",
			exit->left);
	else
		backend_note(backend, "exited with code %d", exit->code);
}

void backend_note_exit(struct backend *backend, const struct worker_exit *exit)
{
	if (*backend->ends_for) {
		backend_note(backend, "%s", backend->ends_for);
		return;
	}
	backend_note_status(backend, exit);
	if (exit->expected)
		return;
	if (!backend->ready_us)
		add_stranger(backend);
	add_last_output(backend);
}
