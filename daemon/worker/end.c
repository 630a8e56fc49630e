/* SPDX-License-Identifier: Apache-2.0 */
/* From an exit to nothing being left: the group ends, the hook runs, the record goes. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/cgroup/cgroup.h"
#include "host/net/notify.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "host/spawn/remains.h"
#include "worker/private.h"

enum {
	LOOK_AGAIN_US = 10000, /* without a cgroup the group's end has to be looked for */
	LOOKS_TOLD = 100,      /* so many of these pass at a time where it is told */
	MAX_LOOKS = 500, /* some process hangs in the kernel: goes on without; see GIVE_UP_US */
};

void worker_kill_group(const char *cgroup, pid_t session, uint64_t start_ticks)
{
	if (!cgroup || !*cgroup || cgroup_kill(cgroup))
		process_signal_session(session, start_ticks, SIGKILL);
}

bool worker_group_gone(const struct worker *worker)
{
	if (worker->cgroup)
		return !cgroup_populated(worker->cgroup);
	return !process_signal_session(worker->record.pid, worker->record.start_ticks, 0);
}

struct worker_ending worker_ending(const struct worker *worker)
{
	if (worker->ending.signal)
		return worker->ending;
	return (struct worker_ending){worker->conf->stop_signal, worker->conf->stop_timeout_ms};
}

void worker_set_ending(struct worker *worker, struct worker_ending ending)
{
	worker->ending = ending;
}

static void finish_end(struct worker *worker)
{
	worker->hook_ran = false;
	output_end(worker->out);
	output_end(worker->err);
	worker_forget_notify(worker);
	record_remove(worker->host->run_dir, worker->name);
	worker_leave_cgroup(worker);
	worker->pid = 0;
	worker->adopted = worker->stopping = false;
	worker_reclaim_listeners(worker);
	/* The last thing: it may start the next process, or free this worker. */
	worker->ops->exited(worker->arg, &worker->end);
}

static void end_hook(struct worker *worker)
{
	worker->hook_source = sd_event_source_disable_unref(worker->hook_source);
	worker->hook_timer = sd_event_source_disable_unref(worker->hook_timer);
	remains_child(worker->host->event, worker->name, &worker->hook);
	launch_clear(&worker->hook_launch);
}

static void watch_group(struct worker *worker);

/* With what it left running, which holds the group for a moment more. */
static void hook_done(struct worker *worker)
{
	worker_kill_group(worker->cgroup, worker->hook.pid, 0);
	end_hook(worker);
	worker->hook_ran = true;
	if (worker_group_gone(worker))
		finish_end(worker);
	else
		watch_group(worker);
}

static int on_hook_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct worker *worker = arg;
	struct error error;
	int status = 0;

	(void)source, (void)fd, (void)events;
	process_status(worker->hook.pidfd, worker->hook.pid, &status);
	if (spawn_result(&worker->hook_launch.spawn, &worker->hook, 0, &error))
		log_warning("worker %s: after_stop: %s", worker->name, error.text);
	else if (status)
		log_warning("worker %s: after_stop: exit code %d", worker->name,
			    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	hook_done(worker);
	return 0;
}

static int on_hook_late(sd_event_source *source, uint64_t now, void *arg)
{
	struct worker *worker = arg;

	(void)source, (void)now;
	log_warning("worker %s: after_stop: not done within %u ms, killed", worker->name,
		    worker_ending(worker).timeout_ms);
	hook_done(worker);
	return 0;
}

static int fork_hook(struct worker *worker, struct error *error)
{
	struct spawn *spawn = &worker->hook_launch.spawn;
	int err;

	spawn->out = spawn->err = output_open(worker->out, error);
	if (spawn->out < 0)
		return spawn->out;
	spawn->cgroup = worker->cgroup;
	err = spawn_fork(spawn, &worker->hook, error);
	close(spawn->out);
	return err;
}

static int watch_hook(struct worker *worker, struct error *error)
{
	int err = sd_event_add_io(worker->host->event, &worker->hook_source, worker->hook.pidfd,
				  EPOLLIN, on_hook_end, worker);

	if (err >= 0)
		err = clock_arm_anew(worker->host->event, &worker->hook_timer,
				     worker_ending(worker).timeout_ms * 1000ull, CLOCK_SLACK_US,
				     on_hook_late, worker);
	return err < 0 ? error_set(error, err, "%s", strerror(-err)) : 0;
}

/* Nothing here waits for it to come to its program: see await() in worker/run.c. */
static int start_hook(struct worker *worker, struct error *error)
{
	const struct conf_worker *conf = worker->conf;
	int err = launch_build(conf, &worker->launch_name, conf->after_stop, conf->after_stop_user,
			       &worker->hook_launch, error);

	if (!err)
		err = worker_make_cgroup(worker, error);
	if (!err)
		err = fork_hook(worker, error);
	if (!err)
		err = watch_hook(worker, error);
	if (err)
		end_hook(worker);
	else
		spawn_go(&worker->hook);
	return err;
}

static void on_group_gone(struct worker *worker)
{
	struct error error;

	worker->group_source = sd_event_source_disable_unref(worker->group_source);
	worker->group_timer = sd_event_source_disable_unref(worker->group_timer);
	if (worker->conf->after_stop && !worker->hook_ran) {
		if (!start_hook(worker, &error))
			return;
		log_warning("worker %s: after_stop: %s", worker->name, error.text);
	}
	finish_end(worker);
}

static void tell_left(const struct worker *worker)
{
	char text[PROCESS_TEXT_BYTES];
	pid_t pid = worker->cgroup ? cgroup_first(worker->cgroup)
				   : process_first_of_session(worker->record.pid,
							      worker->record.start_ticks);

	log_warning("worker %s: %s of its group does not end: end it, or who holds it; going on "
		    "without",
		    worker->name, process_describe(pid, text));
}

static int on_group_look(sd_event_source *source, uint64_t now, void *arg);

static void look_again(struct worker *worker)
{
	unsigned looks = worker->group_source ? LOOKS_TOLD : 1;

	worker->group_looks += looks;
	clock_arm_anew(worker->host->event, &worker->group_timer, looks * (uint64_t)LOOK_AGAIN_US,
		       CLOCK_SLACK_US, on_group_look, worker);
}

static int on_group_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct worker *worker = arg;

	(void)source, (void)now;
	if (worker_group_gone(worker)) {
		on_group_gone(worker);
	} else if (worker->group_looks >= MAX_LOOKS) {
		tell_left(worker);
		on_group_gone(worker);
	} else {
		if (worker->cgroup) /* a session's number may be another's by now */
			cgroup_kill(worker->cgroup);
		look_again(worker);
	}
	return 0;
}

static int on_group_event(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	char text[128];

	(void)source, (void)events;
	/* Reading takes the event. */
	if (pread(fd, text, sizeof(text), 0) < 0)
		return 0;
	if (worker_group_gone(arg))
		on_group_gone(arg);
	return 0;
}

static void watch_group(struct worker *worker)
{
	int fd = worker->cgroup ? cgroup_watch(worker->cgroup) : -1;

	if (fd >= 0 && sd_event_add_io(worker->host->event, &worker->group_source, fd, EPOLLPRI,
				       on_group_event, worker) >= 0)
		sd_event_source_set_io_fd_own(worker->group_source, 1);
	else if (fd >= 0)
		close(fd);
	worker->group_looks = 0;
	look_again(worker);
	/* It may have ended before it was watched. */
	if (worker_group_gone(worker))
		on_group_gone(worker);
}

void worker_note_end(struct worker *worker, int pidfd, pid_t pid)
{
	struct worker_exit *end = &worker->end;
	int status;

	*end = (struct worker_exit){.code = -1, .why = *worker->not_run ? worker->not_run : NULL};
	if (pidfd < 0 || process_status(pidfd, pid, &status))
		return;
	end->known = true;
	if (WIFEXITED(status))
		end->code = WEXITSTATUS(status);
	else
		end->signal = WTERMSIG(status);
	end->core = WIFSIGNALED(status) && WCOREDUMP(status);
	end->expected = end->code >= 0 && !end->why &&
			(worker->conf->exit_codes[end->code / 64] >> (end->code % 64) & 1);
}

static void close_process(struct worker *worker)
{
	worker->exit_source = sd_event_source_disable_unref(worker->exit_source);
	worker->stop_timer = sd_event_source_disable_unref(worker->stop_timer);
	worker->group = 0; /* what is made in it from now on is not the worker's */
	if (worker->pidfd >= 0)
		close(worker->pidfd);
	worker->pidfd = -1;
	worker->killed_us = 0;
}

void worker_ended(struct worker *worker)
{
	struct spawn_child ended = {worker->pid, worker->pidfd, -1, -1};
	pid_t left = worker->cgroup && !worker->stopping ? cgroup_first(worker->cgroup) : 0;

	worker_settle_pending(worker);
	worker_stop_watchdog(worker);
	worker_unkeep_notify(worker);
	/* Before it is reaped: until then nobody else can get its pid as a session. */
	worker_kill_group(worker->cgroup, worker->record.pid, worker->record.start_ticks);
	worker_note_end(worker, worker->pidfd, worker->pid);
	worker->end.left = left;
	worker->pidfd = -1;
	close_process(worker);
	remains_child(worker->host->event, worker->name, &ended); /* unless it is reaped */
	if (worker_group_gone(worker))
		on_group_gone(worker);
	else
		watch_group(worker);
}

static int on_exit_event(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)fd, (void)events;
	worker_ended(arg);
	return 0;
}

int worker_watch(struct worker *worker)
{
	int err = sd_event_add_io(worker->host->event, &worker->exit_source, worker->pidfd, EPOLLIN,
				  on_exit_event, worker);

	return err < 0 ? err : 0;
}

void worker_end_free(struct worker *worker)
{
	worker_free_notify(worker);
	close_process(worker);
	worker->group_source = sd_event_source_disable_unref(worker->group_source);
	worker->group_timer = sd_event_source_disable_unref(worker->group_timer);
	if (worker->hook.pidfd >= 0)
		end_hook(worker);
	worker_forget_pending(worker);
	worker_stop_watchdog(worker);
}
