/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One supervised process: spawns it, watches it, ends it.  Decides nothing: the backend's state
 * machine (state.h) says when to call what, and hears of events through worker_ops.
 *
 * A worker outlives lbd: its pid, start time and command are recorded in RUNDIR/workers/ before its
 * program runs, and worker_take_back() takes back one that is still there (also its grandchildren's cgroup).
 */
#ifndef LB_WORKER_H
#define LB_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "conf/conf.h"

/* What all workers of an lbd share. */
struct worker_host {
	sd_event *event;
	const char *run_dir;         /* /run/lbd/INSTANCE */
	struct keeper *keeper;       /* of what is to outlive lbd, or NULL */
	struct kept_notifies *given; /* at the start, by the keeper of the lbd before; or NULL */
	const char
		*cgroup; /* directory of cgroup v2 that is ours, or NULL where none is writable */
};

struct worker_exit {
	bool known;    /* false: adopted, not our child, so the status is not to be had */
	int code;      /* exit code, or -1 */
	int signal;    /* that ended it, or 0 */
	bool expected; /* by exit_codes */
	bool core;
	pid_t left; /* of its group, when it ended unasked: ran on, and was ended with it; 0: none is known */
	const char *why; /* its program never ran: the step that failed; NULL: it did */
};

struct worker_ops {
	/*
	 * The process is in its control group, worker_group(), and its program has not run yet: what it
	 * listens on can be told by that.  -errno: it is not let run.
	 */
	int (*placed)(void *arg);
	void (*runs)(void *arg);       /* it has come to its program */
	void (*relistened)(void *arg); /* an inherited listener: it was shut down for a moment */
	void (*ready)(void *arg);      /* READY=1 */
	void (*stopping)(void *arg);   /* STOPPING=1 */
	/*
	 * No WATCHDOG=1 within the time, or it has said itself that it hangs.  true: it is being ended; false:
	 * not now, asked again until it is, or until it is heard.
	 */
	bool (*hung)(void *arg);
	/* Within that time nothing was heard of one that may have no way to be: its socket is a new one. */
	void (*unheard)(void *arg);
	void (*heard)(void *arg);      /* again, after either */
	void (*unlistened)(void *arg); /* an inherited listener: it cannot listen any more */
	/* The process is gone and what was left of its group has been killed. */
	void (*exited)(void *arg, const struct worker_exit *exit);
};

struct worker;

/* conf and host must outlive the worker, or be replaced by worker_set_conf(). */
int worker_new(const struct worker_host *host, const struct conf_worker *conf, const char *pool,
	       uint16_t port, unsigned index, const struct worker_ops *ops, void *arg,
	       struct worker **out, struct error *error);

/*
 * At the start of lbd: where a live process of that name is recorded (pid, start time and boot agree) it
 * is taken back, and worker_pid() is then not 0; what a dead one has left is ended.  Not where another
 * object has the process: a backend that leaves.
 */
int worker_take_back(struct worker *worker, struct error *error);
/*
 * Of a worker that was not taken back: the process of this boot's that has ended while no lbd was there, and
 * how; 0: there was none.
 */
pid_t worker_lost(const struct worker *worker, struct worker_exit *exit);
/* Its record and notify socket once more, where the run directory was deleted. */
void worker_mend(struct worker *worker);
/* Its record, where somebody has altered it, which is said: before it is read by another program. */
void worker_renew_record(struct worker *worker);
bool worker_is_lost(const struct worker *worker); /* its process runs, and either is not there */
void worker_free(struct worker *worker);          /* the process, if any, runs on; takes NULL */
void worker_set_conf(struct worker *worker, const struct conf_worker *conf);

/* How it is asked to end, and after how long it is killed: by its configuration, or as was set since. */
struct worker_ending {
	int signal;
	uint32_t timeout_ms;
};
struct worker_ending worker_ending(const struct worker *worker);
void worker_set_ending(struct worker *worker, struct worker_ending ending);

/*
 * Forks and execs.  -errno with a line that says which step failed on what: "user www: unknown".  What
 * fails in the child is told by exited(): "command serv.py: No such file or directory".
 */
int worker_spawn(struct worker *worker, struct error *error);

/* Not yet, where its child has not come to exec(2): a hook runs first, or its user holds it up. */
bool worker_runs(const struct worker *worker);

/* Stop signal, then after the deadline SIGKILL to the whole group; exited() follows.  -ESRCH: not running. */
int worker_stop(struct worker *worker);
int worker_kill(struct worker *worker); /* SIGKILL to the group at once */
int worker_signal(struct worker *worker, int signal);

/* Of the running process: the number of its control group, and the group; 0 and NULL: it has none. */
uint64_t worker_group(const struct worker *worker);
const char *worker_cgroup(const struct worker *worker);

pid_t worker_pid(const struct worker *worker); /* 0: not running */
uint64_t
worker_started_us(const struct worker *worker); /* CLOCK_MONOTONIC; of the running process */
uint64_t
worker_memory(const struct worker *worker); /* bytes resident (cgroup, else of the process) */
/*
 * Its process runs with other settings than the configuration has for it now, or with what its environment
 * files do not say any more, by the last look; false for NULL.
 */
bool worker_is_outdated(const struct worker *worker);
/* Looks whether they say what they said at its start.  -errno with a line: that is not known from now on. */
int worker_look_at_files(struct worker *worker, struct error *error);
bool worker_has_old_files(const struct worker *worker); /* by the last look */

/* What the next lbd finds nowhere else; 0: not known. */
struct worker_past {
	/* Digests of its settings and its environment files, by which its last try to start went. */
	uint64_t tried_settings, tried_files;
	uint64_t files_seen; /* what these files said at the last look */
	unsigned relistened;
};
struct worker_past worker_past(const struct worker *worker);
/* Of an lbd before, which may have died before it wrote down that another process was started. */
void worker_set_past(struct worker *worker, struct worker_past past);

/* No process runs, and another try would go by other settings, or files by the last look, than the last. */
bool worker_is_mended(const struct worker *worker);
/* The file of this output, for errors or the rest (both, where they are one); NULL: it goes to none. */
const char *worker_log_path(const struct worker *worker, bool is_err);
/* A limit that it is without, since it cannot be had here: a line; NULL: none. */
const char *worker_limits_note(const struct worker *worker);
uid_t worker_log_user(const struct worker *worker); /* whose it may be: see place.h */
bool worker_adopted(const struct worker *worker);   /* not our child */

/* Listening sockets that lbd keeps for `listen inherit`; -1 where there is none. */
int worker_listener(const struct worker *worker, bool is_v6);
bool worker_has_listener(const struct worker *worker); /* of either family */

/* Its next process is not to have the same, nor what waits there: the one before has ended for good. */
void worker_expire_listeners(struct worker *worker);

/*
 * Closes those that the next process is not to have by the present configuration, with what waits in them; false:
 * there were none.  For when no process runs.
 */
bool worker_drop_listeners(struct worker *worker);

/* How often one that its processes had shut down was made to listen again. */
unsigned worker_relistened(const struct worker *worker);

/* Last lines of this process's output in that file (at most `lines`), newly allocated, or NULL. */
char *worker_tail(const struct worker *worker, bool is_err, unsigned lines, size_t *bytes);

/* The same of that for errors, where it has said something there, else of the other. */
char *worker_last_output(const struct worker *worker, unsigned lines, size_t *bytes);

/* What it last said with STATUS=, or "". */
const char *worker_status(const struct worker *worker);

/* "web:8081"; the name that control verbs take. */
const char *worker_name(const struct worker *worker);

/* Delay before try n+1 after n failures in a row: doubles from min to max (ms), n >= 1.  Pure. */
uint32_t worker_backoff_ms(unsigned failures, uint32_t min_ms, uint32_t max_ms);

/*
 * Kills what records of this run_dir, or groups, name that no worker in `keep` (names, NULL-ended) is: leftovers
 * of pools that have gone from the configuration while lbd was away.
 */
int worker_sweep(const struct worker_host *host, const char *const *keep);

#endif
