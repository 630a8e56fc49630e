/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs.h"

#include <string.h>

#include "commands.h"
#include "lb/ctl.h"

#define BACKEND "[POOL] ADDR:PORT"

/* clang-format off */
const struct verb verbs[] = {
	{"status", "", "what lbd does, on which tier, and its counters", render_status, NULL, 0},

	{"attach", "IFACE [native|generic]", "choose backends already at this interface (XDP)",
	 NULL, NULL, 0},
	{"detach", "IFACE", "take the program off an interface", NULL, NULL, 0},

	{"service", "", "list services", render_services, NULL, 0},
	{"service add", "NAME tcp ADDR:PORT [pool POOL]",
	 "clients of this address get the pool's backends", NULL, NULL, 0},
	{"service remove", "NAME", "no new connections for this service", NULL, NULL, 0},

	{"pool", "[POOL]", "list pools with their backends, or one", render_pools, NULL, 0},
	{"pool add", BACKEND " [weight N] [max_connections N] [owner USER]",
	 "add a backend to a pool (default: `default`)", NULL, NULL, 0},
	{"pool remove", "[POOL] [ADDR:PORT] [force] [timeout T] [wait]",
	 "drain a backend and forget it; without ADDR:PORT all of the pool; force: workers too", NULL, NULL, VERB_WAITS},
	{"pool drain", BACKEND " [timeout T] [wait]",
	 "no new connections; those open may end until the timeout", NULL, NULL, VERB_WAITS},
	{"pool undrain", BACKEND, "new connections again", NULL, NULL, 0},
	{"pool set", BACKEND " weight N", "give a backend another share of new connections", NULL,
	 NULL, 0},

	{"worker", "[NAME]", "list workers; NAME is POOL:PORT, POOL:* or all", render_workers,
	 NULL, 0},
	{"worker start", "NAME", "start workers", render_plain, NULL, VERB_WAITS},
	{"worker stop", "NAME", "drain and stop workers", render_plain, NULL, VERB_WAITS},
	{"worker restart", "NAME [force]", "restart workers, in turns; force: the last one up too",
	 render_plain, NULL, VERB_WAITS},
	{"roll", "POOL [force] [wait]", "restart a pool's workers in turns, each drained first",
	 render_plain, NULL, VERB_WAITS},
	{"signal", "NAME SIG", "send a signal to workers", render_plain, NULL, 0},
	{"tail", "NAME [-f]", "the end of a worker's log; -f: and what follows", render_text,
	 NULL, VERB_WAITS | VERB_RAW},
	{"clear", "NAME", "empty the logs of workers", render_plain, NULL, 0},
	{"pid", "[NAME]", "process id of lbd or of a worker", render_plain, NULL, 0},

	{"check", "[FILE]", "read a configuration and say what is wrong with it; needs no lbd", NULL,
	 commands_check, 0},
	{"import", "FILE...", "print nginx.conf and supervisord.conf as an lbd.conf; needs no lbd", NULL,
	 commands_import, 0},
	{"reread", "", "what reload would change", render_changes, NULL, 0},
	{"reload", "[force]", "read the configuration again and change what differs", render_changes,
	 NULL, VERB_WAITS},
	{"update", "[force]", "the same as reload", render_changes, NULL, VERB_WAITS},
	{"save", "", "write what is in force to the configuration file", render_plain, NULL, 0},

	{"reexec", "", "replace lbd by its new binary; workers and connections stay",
	 render_plain, NULL, VERB_WAITS | VERB_NEXT},
	{"shutdown", "", "stop workers, detach, end lbd", render_plain, NULL,
	 VERB_WAITS | VERB_ENDS},
	{"version", "", "versions of lbctl and of lbd", NULL, commands_version, 0},
	{"help", "[VERB...]", "this, or what a verb takes", NULL, NULL, VERB_HELPS},
	{NULL, NULL, NULL, NULL, NULL, 0},
};
/* clang-format on */
