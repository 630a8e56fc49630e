/* SPDX-License-Identifier: Apache-2.0 */
/* One running lbd: what main.c builds and the control verbs work on. */
#ifndef LB_LBD_H
#define LB_LBD_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "check/verdict.h"
#include "conf/origin.h"
#include "conf/running.h"
#include "control/control.h"
#include "datapath/locals.h"
#include "lbd/reexec.h"
#include "lbd/run_dir.h"
#include "model/pool.h"
#include "worker/worker.h"

struct lbd {
	sd_event *event;
	const char *instance;
	const char *conf_path;
	bool conf_named; /* by -c */
	bool foreground;
	bool handed_on; /* by the lbd before, in the same process: reexec */
	char run_dir[96];
	char **argv; /* for reexec */
	uint64_t started_us;
	struct running running; /* rolls: at the start, what `states` does not tell */
	struct datapath *dp;
	struct locals *locals;
	struct interfaces *interfaces;
	struct control *control;
	struct worker_host host;
	struct model model;
	sd_event_source *events;
	struct reexec reexec;
	/* run_dir.c */
	sd_event_source *run_dir_watch, *run_dir_below[RUN_DIR_BELOW], *run_dir_timer;
	uint64_t run_dir_since_us;
	bool run_dir_lost;
	bool stop_at_once; /* asked a second time to end: draining is over */
	bool stop_told;    /* the time that those of stop_priority may take */
	int stop_priority;
};

extern const struct launch_warn lbd_warn_in_log;

/* From where a configuration comes: what of it is of lbd's own process, and when. */
enum lbd_occasion {
	LBD_STARTS,  /* with it */
	LBD_GOES_ON, /* with what was in force before its start */
	LBD_CHANGES, /* the rest alone, by a verb of lbctl's */
	LBD_RELOADS,
};

/* Makes the world what conf says, which it takes over on success; to be remembered by lbd_write_running(). */
int lbd_apply_conf(struct lbd *lbd, struct conf *conf, enum lbd_occasion why, struct error *error);

/* Reads the file; that of the default name may be missing at the start, and is then an empty one. */
int lbd_read_conf(const struct lbd *lbd, struct conf **conf, struct error *error);

/*
 * Reads the configuration file anew.  changes, if not NULL, gets a line for each difference, as the log does.  Without
 * force one that takes away what its file most likely has lost is refused: -EPERM, see loss.h.
 */
int lbd_reload(struct lbd *lbd, bool force, FILE *changes, struct error *error);

/* Remembers the configuration in force for the next lbd, and what it rolls.  -errno with a line; or it is logged. */
int lbd_publish_running(struct lbd *lbd, struct error *error);
void lbd_write_running(struct lbd *lbd);

/* Rolls the workers that run with other settings than are in force, or with old environment files. */
void lbd_roll_outdated(struct lbd *lbd);

/* The same of the pools alone that the lbd before had begun to roll when it died, where nothing else tells. */
void lbd_roll_begun(struct lbd *lbd);

/* Prints what a reload would change, and changes nothing. */
int lbd_reread(struct lbd *lbd, FILE *changes, struct error *error);

/*
 * save.c: writes what was changed by lbctl into the files that it belongs to, which keep their mode and owner;
 * those without a change are not touched.  -EBUSY: one was edited meanwhile.
 */
int lbd_save(struct lbd *lbd, struct error *error);

/* Of one that was cut off: what it has written counts as read.  now: what it was to write. */
void save_settle(struct running *running, const struct block *now);

/*
 * stop.c: begins the orderly end: no new connections; by priority, workers are drained, at most for their
 * pool's drain_timeout, and stopped; then the loop exits.  Called again it cuts what is still open.
 */
void lbd_stop(struct lbd *lbd);
void lbd_stop_next(struct lbd *lbd); /* some have ended: goes on with those of the next priority */

#endif
