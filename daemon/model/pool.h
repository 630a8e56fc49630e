/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: pools, their backends, and services, as they are now.  pool.c owns the objects and finds
 * them; backend.c gives backends their behaviour; reconcile.c makes the model follow a configuration;
 * apply.c makes the kernel side follow the model.
 */
#ifndef LB_POOL_H
#define LB_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "backend/accepts.h"
#include "backend/deaf.h"
#include "backend/stuck.h"
#include "base/addr.h"
#include "conf/conf.h"
#include "datapath/datapath.h"
#include "datapath/interfaces.h"
#include "health/health.h"
#include "host/net/outgoing.h"
#include "listeners/holder.h"
#include "model/changes.h"
#include "model/port_user.h"
#include "model/state.h"
#include "model/turn.h"
#include "worker/worker.h"

struct model;
struct pool;

enum { BACKEND_NOTE_BYTES = 256, BACKEND_NAME_BYTES = 128 };

/* What to do with a backend's process once it is drained. */
enum backend_goal {
	GOAL_RUN,
	GOAL_DRAIN,   /* out of service; the process stays */
	GOAL_STOP,    /* drain, then stop */
	GOAL_RESTART, /* drain, stop, start */
	GOAL_LEAVE,   /* drain, stop, forget: gone from the configuration */
};

/* What its watchdog makes of it. */
enum silence {
	SILENCE_NONE,
	SILENCE_HANGS,   /* not restarted yet */
	SILENCE_UNHEARD, /* may have no way to be heard */
};

/* In the kernel side's maps. */
struct backend_place {
	uint16_t id;
	uint32_t generation; /* of those that have had the id: each counts its own connections */
};

struct backend {
	struct model *model;
	struct pool *pool;
	struct backend *next; /* in the model's list `leaving` */
	struct lb_endpoint endpoint;
	char name[BACKEND_NAME_BYTES]; /* "web:8081"; without a worker "127.0.0.1:8081" */
	uint16_t id;                   /* in the kernel side's maps */
	uint32_t generation;
	unsigned weight;
	uint32_t max_connections;
	bool drain_asked; /* by the configuration's word `drain` */
	bool kept_out; /* a worker drained by command: so is each process of it until undrained */

	enum state state;
	enum backend_goal goal;
	char owner[CONF_USER_BYTES]; /* only this user's listener is its own; "": anybody's */
	uid_t owner_uid;
	uint64_t group;  /* control group by which the kernel side knows its worker; 0: none */
	bool listens[2]; /* a listener is in place, by is_v6 */
	bool tracked[2]; /* the kernel side saw it open, and tells when it closes */
	struct holder holders[2];
	struct port_user stranger; /* who has its port and is not it, at the last look */
	bool is_mptcp;             /* so it listens, at the last look: see backend_mptcp */
	bool is_mptcp_told;        /* in the log */
	bool denied;               /* the kernel side has told of somebody like that */
	uint64_t port_held_us;     /* its worker cannot start for that since then; 0: it can */
	struct stuck stuck;
	struct accepts accepts;
	struct deaf deaf;
	uint32_t queue; /* in its accept queues, at the last look */
	bool notified;  /* READY=1 since the process was spawned */
	bool healthy;   /* by its check; true where there is none */
	bool failed;    /* its check has failed so often that it counts */

	struct worker *worker; /* NULL: not ours to supervise */
	struct health *health;
	struct health_tally
		tally; /* of the same process's check by an lbd before; for the next check */
	struct health *prepared;   /* scratch of plan.h: the next configuration's check */
	sd_event_source *timer;    /* what the state waits for */
	uint64_t since_us;         /* CLOCK_MONOTONIC, when it entered the state */
	uint64_t up_since_us;      /* for slow start; 0: not up */
	uint64_t ready_us;         /* when this process got up for the first time; 0: not yet */
	uint64_t closed_us;        /* when its last listener closed; 0: none has */
	uint64_t retry_us;         /* in backoff: when it is started again */
	uint64_t drain_timeout_us; /* UINT64_MAX: as long as it takes */
	uint32_t
		cut; /* connections that the last drain's deadline ended, or left to the process's end */
	uint64_t leave_timeout_us; /* when it is removed; UINT64_MAX: its pool's drain_timeout */
	uint64_t leave_until_us;   /* of one that leaves: CLOCK_MONOTONIC; UINT64_MAX: no end */
	unsigned failures;         /* in a row */
	unsigned restarts;
	char note[BACKEND_NOTE_BYTES]; /* why it is not up, for a person */
	/* Why lbd ends its process, as a failure; "": it does not. */
	char ends_for[BACKEND_NOTE_BYTES];
	bool is_put_off;     /* its restart for its check: said once */
	bool is_closed_told; /* its process runs and nothing listens any more: said once */
	enum silence silence;

	struct lb_backend published;
	bool is_published;
	enum turn turn;
	pid_t turn_pid; /* the process that its turn is to replace; 0: none */
	bool fresh;     /* not considered for autostart yet */
	bool awaits;    /* the end of one that leaves and has its name or port */
	bool kept;      /* scratch of plan.h: in the next configuration as well */
};

/* By one configuration: a change makes another pool of the name, and moves the backends that stay. */
struct pool {
	struct model *model;
	struct conf *whole;           /* held: backends that leave go on by it */
	const struct conf_pool *conf; /* of it */
	char *name;
	uint16_t id;
	struct backend **backends; /* in the configuration's order */
	size_t count;
	unsigned leaving; /* backends that have left the configuration with it: see leave.h */

	struct lb_pool published;
	struct roll *roll; /* under way, or NULL */
	char roll_error[ERROR_TEXT_BYTES];
	uint64_t ring_digest; /* of the ring that is in place; 0: none */
	bool is_published;
	bool dirty;      /* to be written */
	bool has_gained; /* since it was written: one that may be chosen */
	bool failing;    /* to be written: said once */
	bool all_down;   /* all checks fail, and it serves on: see all_down.h */
};

struct service {
	const struct conf_service *conf; /* of the model's conf */
	char *name;
	struct pool *pool;
	uint16_t id;
	bool is_new; /* not counted yet: what its number has counted was another's */
	struct port_user
		shadowed; /* who listens at one of its addresses, at the last look: see shadowed.h */
	struct lb_endpoint shadowed_at;
	uint64_t shadowed_told_us; /* 0: never */
};

struct model_hooks {
	/* A backend is about to be freed. */
	void (*forgotten)(void *arg, struct backend *backend);
};

struct model {
	sd_event *event;
	struct datapath *dp;
	struct interfaces *interfaces;
	struct outgoing *outgoing; /* lbd's own; NULL: none of its backends are known */
	const struct worker_host *host;
	struct conf *conf; /* what the model follows; owned */
	struct pool **pools;
	size_t pool_count;
	struct service **services;
	size_t service_count;
	uint64_t services_digest; /* of what apply_services() wrote last; 0: unknown */
	struct leave *leave;      /* what has gone from the configuration and has not ended yet */
	struct backend *leaving;
	struct backend *by_id[LB_MAX_BACKENDS];
	bool pinned[LB_MAX_BACKENDS]; /* at the start: ids that an lbd before has given out */
	sd_event_source *deferred;    /* applies what is dirty, once a turn of the loop */
	sd_event_source *apply_timer; /* tries that again */
	sd_event_source *scan_timer;  /* looks for listeners: once, or again and again */
	bool is_capture_owed; /* a listener may be counted as another backend's: see listeners_capture() */
	uint64_t stranger_look_us; /* the last, or the next, that a stranger has brought about */
	uint64_t events_lost;      /* by the kernel side, for want of room */
	struct remembered *remembered; /* by remember.c, at the start */
	bool is_ahead; /* at the start: its configuration is of a change that `remembered` is from before */
	sd_event_source *remember_source;
	sd_event_source *recycle_timer;
	struct changes changes;
	struct model_hooks hooks;
	void *hooks_arg;
	bool stopping; /* lbd shuts down */
};

/* A pool of conf, without an id and with no backends, but room for all; NULL: no memory. */
struct pool *pool_new(struct model *model, struct conf *conf, size_t index);
void pool_free(struct pool *pool); /* not its backends; takes NULL */

struct pool *pool_find(const struct model *model, const char *name);
struct service *pool_find_service(const struct model *model, const char *name);

/* By endpoint within the pool, or in any pool if pool is NULL. */
struct backend *pool_find_backend(const struct model *model, const struct pool *pool,
				  const struct lb_endpoint *endpoint);

/* Calls each for every backend, those that leave last. */
void pool_each_backend(struct model *model, void (*each)(void *arg, struct backend *), void *arg);

/*
 * Calls each for the supervised backends that a target names: "web:8081", "web:*" or "all"; also for
 * those that leave, last.  Returns how many, -ENOENT when none, with a line.
 */
int pool_each_target(struct model *model, const char *target,
		     void (*each)(void *arg, struct backend *), void *arg, struct error *error);

/*
 * A free one for an endpoint: the one that pinned maps have for it, else the lowest, and one that they have for
 * another endpoint only where there is no other; -ENOSPC.
 */
int pool_take_place(struct model *model, const struct lb_endpoint *endpoint,
		    struct backend_place *place);

/* At the start, before the first is taken; and once all that were pinned are taken, or nobody's. */
void pool_find_pinned(struct model *model);
void pool_forget_pinned(struct model *model);

#endif
