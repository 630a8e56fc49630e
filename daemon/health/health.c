/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "health/private.h"

enum {
	TIMER_SLACK_US = 10000,
	FIRST_INTERVAL_MS = 100, /* until one that is new is known to be well, */
	LAST_INTERVAL_MS = 1000, /* and after several failures */
};

static int arm_timer(struct health *health, uint64_t delay_us, sd_event_time_handler_t handler)
{
	return clock_arm_anew(health->event, &health->timer, delay_us, TIMER_SLACK_US, handler,
			      health);
}

static int on_late(sd_event_source *source, uint64_t now, void *arg)
{
	struct health *health = arg;

	(void)source, (void)now;
	health->is_late = true;
	if (!health->kind->late || !health->kind->late(health))
		health_result(health, false, "no answer within %u ms", health->conf.timeout_ms);
	return 0;
}

void health_begin(struct health *health)
{
	int err;

	health->started_us = clock_us();
	health->busy = true;
	health->is_late = false;
	health->reply_bytes = health->read_bytes = 0;
	arm_timer(health, health->conf.timeout_ms * 1000ull, on_late);
	err = health->kind->start(health);
	if (err == -EADDRNOTAVAIL)
		health_result(health, false,
			      "no address or port here to connect from: "
			      "net.ipv4.ip_local_port_range has none that is neither in use nor "
			      "a backend's, or no address leads there");
	else if (err)
		health_result(health, false, "%s", strerror(-err));
}

static int on_due(sd_event_source *source, uint64_t now, void *arg)
{
	(void)source, (void)now;
	health_begin(arg);
	return 0;
}

static bool is_awaited(const struct health *health)
{
	bool is_well = health->known && health->healthy;

	return !is_well && health->ops->awaited && health->ops->awaited(health->arg);
}

/* Nobody is served by one that waits for its next good result; what fails later may take its time. */
static bool is_next_soon(const struct health *health)
{
	return (!health->known && health->good) || is_awaited(health);
}

/* After each failure in a row twice as long. */
static uint64_t pause_ms(const struct health *health)
{
	uint64_t pause_ms = FIRST_INTERVAL_MS;

	for (unsigned bad = 1; bad < health->bad && pause_ms < LAST_INTERVAL_MS; bad++)
		pause_ms *= 2;
	return pause_ms < LAST_INTERVAL_MS ? pause_ms : LAST_INTERVAL_MS;
}

/*
 * From start to start, 10 % to either side, so that the checks of many backends do not coincide.  One that is soon
 * has its pause all the same, or checks that take long would follow each other without any.
 */
static void arm_next(struct health *health)
{
	uint64_t interval_us = health->conf.interval_ms * 1000ULL, spent_us, pause_us;

	interval_us = interval_us * 9 / 10 + random() % (interval_us / 5 + 1);
	spent_us = clock_us() - health->started_us;
	interval_us = spent_us < interval_us ? interval_us - spent_us : 0;
	pause_us = pause_ms(health) * 1000;
	arm_timer(health, is_next_soon(health) && pause_us < interval_us ? pause_us : interval_us,
		  on_due);
}

/* Whether what is known changes by this result. */
static bool count_result(struct health *health, bool good)
{
	health->good = good ? health->good + 1 : 0;
	health->bad = good ? 0 : health->bad + 1;
	if (good ? health->good < health->conf.rise : health->bad < health->conf.fall)
		return false;
	if (health->known && health->healthy == good)
		return false;
	health->known = true;
	health->healthy = good;
	return true;
}

void health_result(struct health *health, bool good, const char *format, ...)
{
	struct health_tally before, after;
	char why[HEALTH_TEXT_BYTES];
	bool is_change;
	va_list args;
	int used;

	if (!health->busy)
		return;
	health->busy = false;
	va_start(args, format);
	used = vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	if (good && used >= 0 && used < HEALTH_TEXT_BYTES)
		snprintf(why + used, sizeof(why) - used, " in %llu ms",
			 (unsigned long long)((clock_us() - health->started_us + 500) / 1000));
	memcpy(health->last, why, sizeof(why));
	if (!health->is_late)
		health_let_close(health);
	health->kind->stop(health);
	health->has_looked = true;
	if (health->ops->looked)
		health->ops->looked(health->arg);
	before = health_tally(health);
	is_change = count_result(health, good);
	arm_next(health);
	after = health_tally(health);
	if (health->ops->counted && (before.good != after.good || before.bad != after.bad))
		health->ops->counted(health->arg);
	/* The last thing: it may free this check. */
	if (is_change)
		health->ops->changed(health->arg, good, why);
}

static const struct health_kind *find_kind(enum conf_health_kind kind)
{
	switch (kind) {
	case HEALTH_TCP:
		return &health_tcp;
	case HEALTH_HTTP:
		return &health_http;
	case HEALTH_EXEC:
		return &health_exec;
	case HEALTH_NONE:
		break;
	}
	return NULL;
}

static int copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

int health_new(sd_event *event, const struct outgoing *outgoing, const char *groups,
	       const struct conf_health *conf, const struct lb_endpoint *endpoint,
	       const struct health_ops *ops, void *arg, struct health **out, struct error *error)
{
	struct health *health;
	int err;

	if (!find_kind(conf->kind))
		return error_set(error, -EINVAL,
				 "health: no kind of check; allowed are tcp, http, exec");
	health = calloc(1, sizeof(*health));
	if (!health)
		return error_set(error, -ENOMEM, "health: out of memory");
	health->event = event;
	health->conf = *conf;
	health->kind = find_kind(conf->kind);
	health->endpoint = *endpoint;
	health->outgoing = outgoing;
	health->groups = groups;
	health->ops = ops;
	health->arg = arg;
	health->fd = -1;
	health->child = SPAWN_NO_CHILD;
	strcpy(health->last, "not checked yet");
	err = copy_text(&health->conf.path, conf->path) |
	      copy_text(&health->conf.host, conf->host) |
	      copy_text(&health->conf.command, conf->command) |
	      copy_text(&health->conf.user, conf->user) |
	      copy_text(&health->conf.group, conf->group);
	if (!err)
		err = arm_timer(health, 0, on_due);
	if (err < 0) {
		health_free(health);
		return error_set(error, err, "health: %s", strerror(-err));
	}
	*out = health;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

void health_resume(struct health *health, struct health_tally tally)
{
	health->good = tally.good;
	health->bad = tally.bad;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

struct health_tally health_tally(const struct health *health)
{
	if (!health)
		return (struct health_tally){0};
	return (struct health_tally){least(health->good, health->conf.rise),
				     least(health->bad, health->conf.fall)};
}

void health_hold(struct health *health, bool is_held)
{
	if (health->is_held == is_held)
		return;
	health->is_held = is_held;
	if (!is_held) {
		arm_timer(health, 0, on_due);
		return;
	}
	health->timer = sd_event_source_disable_unref(health->timer);
	health->kind->stop(health);
	health->busy = false;
}

bool health_has_looked(const struct health *health)
{
	return health->has_looked;
}

bool health_fails(const struct health *health)
{
	return health->bad >= health->conf.fall;
}

bool health_is_first(const struct health *health)
{
	return !health->known && !health->bad;
}

bool health_follows(const struct health *health, const struct conf_health *conf,
		    const struct lb_endpoint *endpoint)
{
	const struct conf_health *own = &health->conf;

	return !memcmp(&health->endpoint, endpoint, sizeof(*endpoint)) && own->kind == conf->kind &&
	       same_text(own->path, conf->path) && same_text(own->host, conf->host) &&
	       same_text(own->command, conf->command) && same_text(own->user, conf->user) &&
	       same_text(own->group, conf->group) &&
	       own->confinement.no_new_privileges == conf->confinement.no_new_privileges &&
	       own->confinement.set_capabilities == conf->confinement.set_capabilities &&
	       own->confinement.capabilities == conf->confinement.capabilities &&
	       own->confinement.withheld == conf->confinement.withheld &&
	       own->status_min == conf->status_min && own->status_max == conf->status_max &&
	       own->interval_ms == conf->interval_ms && own->timeout_ms == conf->timeout_ms &&
	       own->rise == conf->rise && own->fall == conf->fall;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	health->kind->stop(health);
	sd_event_source_disable_unref(health->timer);
	free(health->conf.path);
	free(health->conf.host);
	free(health->conf.command);
	free(health->conf.user);
	free(health->conf.group);
	launch_clear(&health->launch);
	free(health);
}

const char *health_last(const struct health *health)
{
	return health->last;
}
