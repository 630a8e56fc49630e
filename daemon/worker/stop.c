/* SPDX-License-Identifier: Apache-2.0 */
/* How a process is made to end: its stop signal, then SIGKILL, and at last without it. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "worker/private.h"

enum {
	KILL_AGAIN_US = 1000 * 1000,
	GIVE_UP_US =
		20 * 1000 * 1000, /* with MAX_LOOKS of end.c within what lbd/stop.c tells systemd */
	STOP_LOOK_US = 1000 * 1000,
};

/* While somebody traces one of its threads its pidfd does not tell of its end (ptrace(2)). */
static bool is_over(const struct worker *worker)
{
	struct process_stat stat;

	return !process_stat(worker->pid, &stat) && stat.state == 'Z' && worker_group_gone(worker);
}

/* It hangs in the kernel, or is held by tracers that nothing ends: neither a stop nor a restart waits for ever. */
static void tell_given_up(const struct worker *worker, pid_t tracer)
{
	struct process_stat stat = {.state = '?'};

	process_stat(worker->pid, &stat);
	log_error(
		"worker %s: pid %d has not ended %d s after SIGKILL (state %c, TracerPid %d in its "
		"/proc/%d/status); going on without, and its ports may stay in use until it ends",
		worker->name, worker->pid, GIVE_UP_US / 1000000, stat.state, tracer, worker->pid);
}

static int on_kill_late(sd_event_source *source, uint64_t now, void *arg)
{
	struct worker *worker = arg;
	pid_t tracer;

	(void)source, (void)now;
	if (is_over(worker)) {
		worker_ended(worker);
		return 0;
	}
	tracer = process_kill_tracer(worker->pid);
	worker_kill(worker);
	if (clock_us() - worker->killed_us < GIVE_UP_US)
		return 0;
	tell_given_up(worker, tracer);
	worker_ended(worker);
	return 0;
}

static int on_stop_look(sd_event_source *source, uint64_t now, void *arg);

static int arm_stop(struct worker *worker)
{
	uint64_t now_us = clock_us(), left_us = 0;

	if (worker->stop_by_us > now_us)
		left_us = worker->stop_by_us - now_us;
	return clock_arm_anew(worker->host->event, &worker->stop_timer,
			      left_us < STOP_LOOK_US ? left_us : STOP_LOOK_US, CLOCK_SLACK_US,
			      on_stop_look, worker);
}

static int on_stop_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct worker *worker = arg;

	(void)source, (void)now;
	if (is_over(worker)) {
		worker_ended(worker);
		return 0;
	}
	if (clock_us() < worker->stop_by_us && arm_stop(worker) >= 0)
		return 0;
	log_warning("worker %s: pid %d has not ended %u ms after SIG%s, killed", worker->name,
		    worker->pid, worker_ending(worker).timeout_ms,
		    sigabbrev_np(worker_ending(worker).signal));
	worker_kill(worker);
	return 0;
}

int worker_stop(struct worker *worker)
{
	if (!worker->pid)
		return -ESRCH;
	if (worker->pidfd < 0 || worker->stopping)
		return 0; /* on its way */
	worker->stopping = true;
	worker_stop_watchdog(worker);
	worker->stop_by_us = clock_us() + worker_ending(worker).timeout_ms * 1000ull;
	if (arm_stop(worker) < 0)
		return worker_kill(worker);
	process_signal(worker->pidfd, worker_ending(worker).signal);
	process_signal(worker->pidfd, SIGCONT); /* one that is stopped would not see it */
	return 0;
}

int worker_kill(struct worker *worker)
{
	if (!worker->pid)
		return -ESRCH;
	if (worker->pidfd >= 0 && !worker->killed_us)
		worker->killed_us = clock_us();
	if (worker->pidfd >= 0)
		process_signal(worker->pidfd, SIGKILL);
	worker_kill_group(worker->cgroup, worker->record.pid, worker->record.start_ticks);
	if (worker->pidfd >= 0)
		clock_arm_anew(worker->host->event, &worker->stop_timer, KILL_AGAIN_US,
			       CLOCK_SLACK_US, on_kill_late, worker);
	return 0;
}

int worker_signal(struct worker *worker, int signal)
{
	return worker->pidfd < 0 ? -ESRCH : process_signal(worker->pidfd, signal);
}
