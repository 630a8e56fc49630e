/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs/waits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "lb/ctl.h"
#include "model/readiness.h"
#include "roll/roll.h"
#include "worker/worker.h"

struct wait {
	struct wait *next;
	struct control_request *request;
	enum wait_for what;
	size_t count, left;
	uint32_t open, cut; /* of drained ones: connections at its beginning, and ended by lbd */
	char name[BACKEND_NAME_BYTES]; /* of the first */
	char failures[ERROR_TEXT_BYTES];
	char drained[ERROR_TEXT_BYTES]; /* those that are there and get no connections */
	struct backend *backends[];     /* NULL once it is there */
};

enum verdict { NOT_YET, THERE, FAILED };

/* On its way through a restart the goal is not to run yet; with any other it does not get up by itself. */
static enum verdict look_started(const struct backend *backend)
{
	if (backend->state == STATE_UP)
		return THERE;
	if (backend->goal == GOAL_RESTART || backend->awaits)
		return NOT_YET;
	if (readiness_failed_start(backend))
		return FAILED;
	return backend->goal == GOAL_RUN && state_has_process(backend->state) ? NOT_YET : FAILED;
}

static enum verdict look_restarted(const struct backend *backend)
{
	if (backend->turn != TURN_NONE || backend->goal == GOAL_RESTART)
		return NOT_YET;
	if (roll_is_drained_anew(backend))
		return THERE;
	if (worker_pid(backend->worker) != backend->turn_pid)
		return look_started(backend);
	/* By somebody else's command it was left, or put back, as it was. */
	return backend->goal == GOAL_STOP && state_has_process(backend->state) ? NOT_YET : FAILED;
}

/* One whose goal is another by now, by somebody else's command, never gets there. */
static enum verdict look_at(enum wait_for what, const struct backend *backend)
{
	switch (what) {
	case WAIT_STARTED:
		return look_started(backend);
	case WAIT_RESTARTED:
		return look_restarted(backend);
	case WAIT_STOPPED:
		if (!state_has_process(backend->state))
			return THERE;
		return backend->goal >= GOAL_STOP && backend->goal != GOAL_RESTART ? NOT_YET
										   : FAILED;
	case WAIT_DRAINED:
		if (backend->state == STATE_DRAINING)
			return NOT_YET;
		return backend->goal == GOAL_RUN ? FAILED : THERE;
	}
	return THERE;
}

static void add_text(struct wait *wait, const char *text)
{
	size_t used = strlen(wait->failures);

	if (!strstr(wait->failures, text))
		snprintf(wait->failures + used, sizeof(wait->failures) - used, "%s%s",
			 used ? "; " : "", text);
}

static void add_drained(struct wait *wait, const struct backend *backend)
{
	size_t used = strlen(wait->drained);

	wait->cut += backend->drain.cut;
	if (wait->what == WAIT_RESTARTED && backend->kept_out)
		snprintf(wait->drained + used, sizeof(wait->drained) - used, "%s%s",
			 used ? ", " : "", backend->name);
}

static void add_failure(struct wait *wait, const struct backend *backend)
{
	bool kept = wait->what == WAIT_RESTARTED && state_has_process(backend->state) &&
		    worker_pid(backend->worker) == backend->turn_pid;
	const char *note = backend->note;
	char text[ERROR_TEXT_BYTES];

	if (!note[0] && backend->goal == GOAL_DRAIN)
		note = "by command, until `lbctl pool undrain`";
	snprintf(text, sizeof(text), "%s: %s%s%s%s", backend->name, kept ? "not restarted, " : "",
		 state_name(backend->state), note[0] ? ": " : "", note);
	add_text(wait, text);
	if (kept && *roll_error(backend->pool))
		add_text(wait, roll_error(backend->pool));
}

/* True when the wait is over. */
static bool check_wait(struct wait *wait, struct backend *only)
{
	for (size_t i = 0; i < wait->count; i++) {
		struct backend *backend = wait->backends[i];
		enum verdict verdict;

		if (!backend || (only && backend != only))
			continue;
		verdict = look_at(wait->what, backend);
		if (verdict == NOT_YET)
			continue;
		if (verdict == FAILED)
			add_failure(wait, backend);
		else
			add_drained(wait, backend);
		wait->backends[i] = NULL;
		wait->left--;
	}
	return !wait->left;
}

/* Those that came meanwhile, their handshakes under way, count as if they had been there. */
static void tell_cut(const struct wait *wait)
{
	uint32_t open = wait->open > wait->cut ? wait->open : wait->cut;
	char who[BACKEND_NAME_BYTES];

	snprintf(who, sizeof(who), "%s", wait->name);
	if (wait->count > 1)
		snprintf(who, sizeof(who), "%zu backends", wait->count);
	control_message(wait->request,
			"%s %s drained: of %u connections %u ended by themselves, %u were ended at "
			"the timeout",
			who, wait->count > 1 ? "are" : "is", open, open - wait->cut, wait->cut);
}

static void reply_to(struct wait *wait)
{
	static const struct {
		const char *one, *many;
	} done[] = {
		[WAIT_STARTED] = {"is up", "are up"},
		[WAIT_RESTARTED] = {"has been restarted", "have been restarted"},
		[WAIT_STOPPED] = {"has been stopped", "have been stopped"},
		[WAIT_DRAINED] = {"is drained: none of its connections is open",
				  "are drained: none of their connections is open"},
	};

	if (wait->failures[0])
		control_refuse(wait->request, LB_CTL_REFUSED, wait->failures);
	else if (wait->drained[0])
		control_message(wait->request,
				"%s %s; drained as before, until `lbctl pool undrain`: %s",
				wait->count == 1 ? wait->name : "workers",
				wait->count == 1 ? done[wait->what].one : done[wait->what].many,
				wait->drained);
	else if (wait->what == WAIT_DRAINED && wait->open && wait->cut)
		tell_cut(wait);
	else if (wait->count == 1)
		control_message(wait->request, "%s %s", wait->name, done[wait->what].one);
	else
		control_message(wait->request, "%zu %s %s", wait->count,
				wait->what == WAIT_DRAINED ? "backends" : "workers",
				done[wait->what].many);
	free(wait);
}

int wait_add(struct waits *waits, struct control_request *request, enum wait_for what,
	     struct backend **backends, size_t count)
{
	struct wait *wait = calloc(1, sizeof(*wait) + count * sizeof(struct backend *));

	if (!wait)
		return -ENOMEM;
	wait->request = request;
	wait->what = what;
	wait->count = wait->left = count;
	if (count)
		snprintf(wait->name, sizeof(wait->name), "%s", backends[0]->name);
	memcpy(wait->backends, backends, count * sizeof(struct backend *));
	for (size_t i = 0; i < count && what == WAIT_DRAINED; i++)
		wait->open +=
			backends[i]->state == STATE_DRAINING ? backend_connections(backends[i]) : 0;
	if (check_wait(wait, NULL)) {
		reply_to(wait);
		return 0;
	}
	wait->next = waits->first;
	waits->first = wait;
	return 0;
}

/* Those that are over are replied to, and forgotten. */
void wait_changed(struct waits *waits, struct backend *backend)
{
	struct wait **link = &waits->first;

	while (*link) {
		struct wait *wait = *link;

		if (!check_wait(wait, backend)) {
			link = &wait->next;
			continue;
		}
		*link = wait->next;
		reply_to(wait);
	}
}

void wait_gone(struct waits *waits, struct control_request *request)
{
	struct wait **link = &waits->first;

	while (*link) {
		struct wait *wait = *link;

		if (wait->request != request) {
			link = &wait->next;
			continue;
		}
		*link = wait->next;
		free(wait);
	}
}

void wait_forget(struct waits *waits, struct backend *backend)
{
	struct wait **link = &waits->first;

	while (*link) {
		struct wait *wait = *link;

		for (size_t i = 0; i < wait->count; i++)
			if (wait->backends[i] == backend) {
				if (wait->what == WAIT_STARTED || wait->what == WAIT_RESTARTED)
					add_failure(wait, backend);
				wait->backends[i] = NULL;
				wait->left--;
			}
		if (wait->left) {
			link = &wait->next;
			continue;
		}
		*link = wait->next;
		reply_to(wait);
	}
}
