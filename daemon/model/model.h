/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: pools, their backends, and services, as they are now.  Plain data: pool.c owns the objects and finds
 * them; backend/ gives backends their behaviour; reconcile/ makes the model follow a configuration; apply/ makes the
 * kernel side follow the model.  Fields are their room's, as told beside them.
 */
#ifndef LB_MODEL_H
#define LB_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "conf/conf.h"
#include "lb/abi.h"
#include "model/backend.h"
#include "model/changes.h"

struct datapath;
struct interfaces;
struct leave;
struct outgoing;
struct remembered;
struct roll;
struct worker_host;

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

/*
 * What rooms below tell and ask of those above.  backend/ and listeners/ set theirs (backend_init(),
 * listeners_watch()); of the first arg is the model's hooks_arg.
 */
struct model_hooks {
	void (*forgotten)(void *arg,
			  struct backend *backend);    /* about to be freed; NULL: nobody asks */
	void (*evaluate)(struct backend *backend);     /* what its state depends on has changed */
	void (*explain)(struct backend *backend);      /* what its note says may have changed */
	void (*explain_anew)(struct backend *backend); /* what its note says holds no more */
	/* Its process is to be ended at once, for why, and started again as after an exit by itself. */
	void (*wrong)(struct backend *backend, const char *why);
	int (*scan)(struct model *model);        /* looks for listeners now; -errno */
	void (*scan_later)(struct model *model); /* once for however many ask for it */
};

/* By id: what the kernel side may still know of a backend that is gone; nobody's meanwhile.  See apply/owed.h. */
struct remnant {
	bool is_there;
	struct lb_endpoint endpoint;
	uint64_t group; /* control group of its worker; 0: none */
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
	struct remnant remnants[LB_MAX_BACKENDS];
	bool is_owing;      /* some of these could not be done, or of what backends owe */
	bool is_stale;      /* what an lbd before has left; `pinned` stays until it is forgotten */
	bool owes_services; /* those of `services` may not be what is written */
	sd_event_source *owed_timer;
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

#endif
