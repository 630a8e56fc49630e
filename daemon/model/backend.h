/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend as it is now: what is configured, what was found of it, what it is to become.  Plain data; whoever
 * changes a field is named beside it, else it is the room backend/.
 */
#ifndef LB_MODEL_BACKEND_H
#define LB_MODEL_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "conf/conf.h"
#include "health/health.h"
#include "lb/abi.h"
#include "model/facts.h"
#include "model/state.h"

struct model;
struct pool;
struct worker;

enum { BACKEND_NOTE_BYTES = 256, BACKEND_NAME_BYTES = 128 };

/* What to do with a backend's process once it is drained. */
enum backend_goal {
	GOAL_RUN,
	GOAL_DRAIN,   /* out of service; the process stays */
	GOAL_STOP,    /* drain, then stop */
	GOAL_RESTART, /* drain, stop, start */
	GOAL_LEAVE,   /* drain, stop, forget: gone from the configuration */
};

/* A worker's turn in its pool's roll: see roll.h. */
enum turn {
	TURN_NONE,
	TURN_DUE,    /* still to come */
	TURN_FORCED, /* and if it is the last one that is up */
	TURN_NOW,
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

/* check.c: what its health check has found. */
struct backend_check {
	struct health *health;   /* NULL: there is nothing to check now */
	struct health *prepared; /* scratch of plan.h: the next configuration's check */
	struct health_tally
		tally; /* of the same process's check by an lbd before; for the next check */
	bool passes;
	bool fails; /* so often that it counts */
};

/* drain.c */
struct backend_drain {
	bool asked;          /* by the configuration's word `drain` */
	uint64_t timeout_us; /* UINT64_MAX: as long as it takes */
	uint32_t cut; /* connections that the last deadline ended, or left to the process's end */
};

/* leave.h */
struct backend_leave {
	uint64_t timeout_us; /* when it is removed; UINT64_MAX: its pool's drain_timeout */
	uint64_t until_us;   /* of one that leaves: CLOCK_MONOTONIC; UINT64_MAX: no end */
};

/* Times are CLOCK_MONOTONIC. */
struct backend {
	struct model *model;
	struct pool *pool;
	struct backend *next; /* in the model's list `leaving` */

	/* Its configuration, and what follows from that. */
	struct lb_endpoint endpoint;
	char name[BACKEND_NAME_BYTES]; /* "web:8081"; without a worker "127.0.0.1:8081" */
	unsigned weight;               /* the one in force */
	unsigned asked_weight;         /* of a worker, by `pool set`; 0: its configuration's */
	uint32_t max_connections;
	/* By `owner`: only this user's listener is its own; "": anybody's. */
	char maker[CONF_USER_BYTES];
	uid_t maker_uid;

	/* What it is, and what it waits for. */
	enum state state;
	enum backend_goal goal;
	sd_event_source *timer;        /* what the state waits for */
	uint64_t since_us;             /* when it entered the state */
	uint64_t up_since_us;          /* for slow start; 0: not up */
	char note[BACKEND_NOTE_BYTES]; /* why it is not up, for a person */
	struct backend_check check;
	struct backend_drain drain;
	struct backend_leave leave;
	bool kept_out; /* a worker drained by command: so is each process of it until undrained */
	bool awaits;   /* the end of one that leaves and has its name or port */

	/* Its process. */
	struct worker *worker; /* NULL: not ours to supervise */
	uint64_t ready_us;     /* when this process got up for the first time; 0: not yet */
	uint64_t retry_us;     /* in backoff: when it is started again */
	uint64_t port_held_us; /* it cannot start for who has its port, since then; 0: it can */
	unsigned failures;     /* in a row */
	unsigned restarts;
	char ends_for[BACKEND_NOTE_BYTES]; /* why lbd ends it, as a failure; "": it does not */
	bool notified;                     /* READY=1 since the process was spawned */
	bool is_put_off;                   /* its restart for its check: said once */
	bool is_closed_told;               /* it runs and nothing listens any more: said once */
	enum silence silence;

	/* listeners/: where it listens, at the last look; by is_v6. */
	struct holder holders[2];
	uint64_t closed_us; /* when its last listener closed; 0: none has */
	uint32_t queue;     /* in its accept queues */
	bool listens[2];    /* a listener is in place */
	bool tracked[2];    /* the kernel side saw it open, and tells when it closes */
	bool is_mptcp;      /* so it listens: see backend_mptcp */
	bool is_mptcp_told; /* in the log */
	bool denied;        /* the kernel side has told of somebody who may not listen there */
	struct port_user stranger; /* who has its port and is not it */

	/* looks/ */
	struct stuck stuck;
	struct accepts accepts;
	struct deaf deaf;

	/* apply/: its place in the kernel side's maps, and what was written there last. */
	uint64_t group; /* control group by which the kernel side knows its worker; 0: none */
	uint32_t generation;
	struct lb_backend published;
	uint16_t id;
	bool is_published;
	/* What could not be written, or removed, and is tried again: see apply/owed.h. */
	bool owes_value, owes_id;
	bool owes_end; /* of the worker's process before */

	/* model/turn.h */
	enum turn turn;
	pid_t turn_pid; /* the process that its turn is to replace; 0: none */

	/* reconcile/ */
	bool fresh; /* not considered for autostart yet */
	bool kept;  /* scratch of plan.h: in the next configuration as well */
};

#endif
