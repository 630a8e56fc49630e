/* SPDX-License-Identifier: Apache-2.0 */
#include "start/signals.h"

#include <signal.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "lbd/reload.h"
#include "lbd/stop.h"

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	(void)source, (void)info;
	lbd_stop(arg);
	return 0;
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct lbd *lbd = arg;
	struct error error;

	(void)source, (void)info;
	if (lbd->model.stopping)
		log_error("not reloaded: lbd is being stopped");
	else if (lbd_reload(lbd, false, NULL, &error))
		log_error("not reloaded: %s", error.text);
	else
		log_info("reloaded");
	return 0;
}

static int on_reopen_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct error error;

	(void)source, (void)info, (void)arg;
	if (log_reopen(&error))
		log_error("%s", error.text);
	return 0;
}

int signals_watch(struct lbd *lbd)
{
	static const struct {
		int number;
		sd_event_signal_handler_t handler;
	} signals[] = {
		{SIGTERM, on_stop_signal},
		{SIGINT, on_stop_signal},
		{SIGHUP, on_reload_signal},
		{SIGUSR1, on_reopen_signal},
	};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&blocked, signals[i].number);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Ignored, as it may be by who starts lbd, it would leave nobody to be waited for: wait(2). */
	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		int err = sd_event_add_signal(lbd->event, NULL, signals[i].number,
					      signals[i].handler, lbd);

		if (err < 0)
			return err;
	}
	return 0;
}
