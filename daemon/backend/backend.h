/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Behaviour of a backend: facts come in (listener, readiness, health, exit, deadlines), the transition
 * function says which state follows, and entering a state does what it means.
 */
#ifndef LB_BACKEND_BACKEND_H
#define LB_BACKEND_BACKEND_H

#include "model/pool.h"

/* What rooms below tell of a backend (model_hooks) comes to it from now on; before the first backend. */
void backend_init(struct model *model);

/*
 * A worker only where the pool has one and conf is supervised.  It begins stopped, or down; the kernel
 * side does not know it before apply_backend_added().  leaves: its place, if it left already when an lbd
 * before died, and goes on to (see leave.h); NULL: it is the configuration's.
 */
int backend_new(struct model *model, struct pool *pool, const struct conf_backend *conf,
		const struct backend_place *leaves, struct backend **out, struct error *error);
void backend_free(struct backend *backend); /* its process runs on; takes NULL */

/* What is the matter with one that listens by MPTCP, and the cure. */
extern const char backend_mptcp[];

/* Why it is not up, for a person. */
void backend_note(struct backend *backend, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Says why it is down or drained, or not up yet, by what is known now. */
void backend_explain(struct backend *backend);
/* What it said of one that is up holds no more: what else does is said instead. */
void backend_explain_anew(struct backend *backend);

/* Changes the state; false where the event means nothing now. */
bool backend_event(struct backend *backend, enum state_event event);

/* After autostart: what was under way with it, by what an lbd before this one has remembered. */
void backend_go_on(struct backend *backend);

/*
 * True where one that leaves has its name or port (see leave.h): it is started, and its listener looked for, when that
 * one is gone.
 */
bool backend_await(struct backend *backend);

/* Facts. */
void backend_set_listener(struct backend *backend, bool is_v6, bool present);
void backend_empty(struct backend *backend);    /* while draining: its last connection has closed */
void backend_evaluate(struct backend *backend); /* after a fact or a setting has changed */
void backend_set_health(struct backend *backend, const struct conf_health *conf);
bool backend_set_maker(struct backend *backend, const struct conf_backend *conf); /* another? */

/* asked: by `pool set`, of a worker; 0, as where both are the same: it is to have what is configured. */
void backend_set_weight(struct backend *backend, unsigned configured, unsigned asked);

/* Makes aside the check that backend_set_health() will put in place, so that it cannot fail; or drops it. */
int backend_prepare_health(struct backend *backend, const struct conf_health *conf,
			   struct error *error);
void backend_drop_health(struct backend *backend);

/* Commands; each returns at once, the state follows.  -EALREADY where it means nothing. */
int backend_drain(struct backend *backend, uint64_t timeout_us, enum backend_goal goal);
int backend_undrain(struct backend *backend);

/*
 * `pool drain` and `undrain`.  A worker stays out of service whatever is done with its processes meanwhile: one that
 * has none now is started so, and its goal is never to run.  -EALREADY: there is nothing to drain; it is not drained.
 */
int backend_keep_out(struct backend *backend, uint64_t timeout_us);
int backend_put_back(struct backend *backend);

#endif
