/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the room worker share; for nobody else. */
#ifndef LB_WORKER_PRIVATE_H
#define LB_WORKER_PRIVATE_H

#include "base/tail.h"
#include "host/spawn/spawn.h"
#include "launch/launch.h"
#include "output/output.h"
#include "worker/record.h"
#include "worker/worker.h"

struct worker {
	const struct worker_host *host;
	const struct conf_worker *conf;
	struct worker_ending ending; /* signal 0: as conf has it */
	const struct worker_ops *ops;
	void *arg;

	char *name; /* "web:8081" */
	char *pool; /* a copy: a worker may outlive the pool it was made for */
	struct launch_name launch_name;
	char *log_path, *err_path;           /* expanded */
	struct tail_mark log_mark, err_mark; /* what the processes before had written ends there */
	uid_t log_user;                      /* whose they may be: see place.h */
	struct output *out, *err;            /* err NULL: merged */
	sd_event_source *listener_sources[2], *listener_timer, *take_timer;
	uint64_t take_pause_us;     /* of take_timer */
	int listeners[2];           /* inherited, v4 and v6 */
	uid_t listener_user;        /* of the processes that have or had them */
	uint64_t listener_settings; /* of these processes; 0: none had them yet */
	bool is_unlooked;           /* whether somebody else holds them: the next start looks */
	bool is_expired;            /* the next process gets others */

	pid_t pid;  /* 0: not running */
	pid_t lost; /* ended while no lbd was there, as end tells; 0: none */
	int pidfd;
	bool adopted, stopping;
	bool is_overdue;   /* its silence has been told */
	char *limits_note; /* which one cannot be had here; NULL: none */
	struct worker_past past;
	uint64_t started_us;
	struct record record;   /* of pid */
	char *cgroup;           /* directory, or NULL */
	uint64_t group;         /* its number while the process runs; 0: none */
	struct launch *pending; /* of a child that has not come to exec yet */
	struct spawn_child child;
	char not_run[ERROR_TEXT_BYTES]; /* the step before exec that failed, or "" */

	struct notify *notify;
	char *notify_path;
	struct keeper_entry *notify_kept; /* as the keeper knows it */
	char *said; /* on it, while no lbd was there; until that is replayed */
	sd_event_source *said_source;
	char status[128]; /* STATUS=, or "" */
	sd_event_source *watchdog_timer;
	sd_event_source *ready_source; /* adopted as ready: says so once */

	sd_event_source *exit_source;   /* pidfd */
	sd_event_source *report_source; /* of a pending child */
	uint64_t stop_by_us;            /* then it is killed */
	uint64_t killed_us;             /* its first SIGKILL, or 0 */
	sd_event_source *stop_timer;    /* looks whether it has ended */

	/* Between the process's end and exited(): its group dies, its hook runs. */
	struct worker_exit end;
	sd_event_source *group_source; /* cgroup.events */
	sd_event_source *group_timer;  /* looks again, gives up at last */
	unsigned group_looks;
	struct spawn_child hook; /* after_stop */
	struct launch hook_launch;
	bool hook_ran; /* after_stop, for the process that ended */
	sd_event_source *hook_source, *hook_timer;
};

/* worker/streams.c: paths and streams by the present configuration. */
int worker_open_outputs(struct worker *worker, bool adopt, struct error *error);
void worker_close_outputs(struct worker *worker);
void worker_remove_outputs(const struct worker_host *host,
			   const char *name); /* of a gone process */

/*
 * worker/group.c: a new group for the next process; none where cgroup v2 is not ours to write.  What is still in
 * the one before is killed, and left.
 */
int worker_make_cgroup(struct worker *worker, struct error *error);
void worker_leave_cgroup(struct worker *worker);

/* Not one more process, where too many before it have not gone: -EBUSY with a line. */
int worker_check_remains(const struct worker *worker, struct error *error);

/* Takes dir, a group of that worker's whose process has ended: nobody takes it for a running one's any more. */
void worker_end_cgroup(const struct worker_host *host, const char *name, char *dir);

/* Those of its group. */
void worker_set_limits(struct worker *worker);

/*
 * worker/pending.c: that the child has come to exec(2), or never will, is heard in the loop; launch is taken over.
 * -errno with a line.
 */
int worker_await_program(struct worker *worker, struct launch *launch, struct error *error);
/* Its program runs now, or it never will, which is noted, and its exit shows soon. */
void worker_settle_pending(struct worker *worker);
void worker_forget_pending(struct worker *worker);

/* worker/notify.c: the socket for the next process, or for one that was taken back. */
int worker_listen_notify(struct worker *worker);
int worker_resume_notify(struct worker *worker);
int worker_listen_anew(struct worker *worker); /* where the socket of a running one is gone */
void worker_keep_notify(
	struct worker *worker); /* over lbd's death, for the process that pidfd names */
void worker_unkeep_notify(struct worker *worker); /* before pidfd is closed */
void worker_forget_notify(struct worker *worker);
void worker_free_notify(
	struct worker *worker); /* the process, if any, and the keeper go on with it */
void worker_remove_notify(const struct worker_host *host, const char *name); /* of a gone process */
void worker_stop_watchdog(struct worker *worker);

/* worker/listeners_back.c: takes back what the recorded process has; what cannot be had now is tried again. */
void worker_take_listeners(struct worker *worker);
/* With those: one that was shut down listens again, or is ended, which is said.  -errno: they cannot be watched. */
int worker_go_on_listening(struct worker *worker);
/* worker/listeners.c: sees to it that the inherited ones go on listening; -errno: they cannot. */
int worker_watch_listeners(struct worker *worker);
int worker_revive_listeners(struct worker *worker);
/* For the next process: as they are, or, where they have expired or were spoilt by the one before, anew. */
int worker_prepare_listeners(struct worker *worker, struct error *error);
void worker_close_listeners(struct worker *worker);
/*
 * The same, but no process is to serve them any more: see inherit_end().  Who listens there all the same is told as
 * a stranger on the port when the worker is started.
 */
void worker_end_listeners(struct worker *worker);

/* Once the process and its group are gone: what somebody else holds is shut down, and opened anew. */
void worker_reclaim_listeners(struct worker *worker);
/* The same of a worker that has ended while no lbd was there; nothing is opened. */
void worker_reclaim_recorded(const char *name, const struct record *record);

/*
 * worker/bury.c: ends what the recorded process has left; the same where nothing says who that was; or only the
 * groups of that worker's name but for the one of a process that is taken back.
 */
void worker_bury(const struct worker_host *host, const char *name, const struct record *record);
void worker_bury_unknown(const struct worker_host *host, const char *name);
void worker_bury_groups(const struct worker_host *host, const char *name,
			const struct record *alive);

/* worker/end.c: how that process has ended, as far as it is told, into end; pidfd < 0: not at all. */
void worker_note_end(struct worker *worker, int pidfd, pid_t pid);
/* Watches pidfd from now on. */
int worker_watch(struct worker *worker);
/* The process has ended, or is given up: what is left of it ends, and exited() follows. */
void worker_ended(struct worker *worker);
bool worker_group_gone(
	const struct worker *worker); /* nobody is left in its group, or its session */
void worker_end_free(struct worker *worker);

/* SIGKILL to all of a group: its cgroup, or (cgroup NULL or "") its session. */
void worker_kill_group(const char *cgroup, pid_t session, uint64_t start_ticks);

#endif
