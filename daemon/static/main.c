// SPDX-License-Identifier: Apache-2.0
/* lbstatic: serves the files below a directory over HTTP/1.1.  Exit: 0 stopped, 1 refused, 2 usage. */
#include "static/connection/connections.h"
#include "static/options/command_line.h"
#include "static/process/loop.h"
#include "static/process/memory.h"
#include "static/process/privilege.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#ifndef LB_VERSION
#define LB_VERSION "unknown"
#endif

enum { STOPPED = 0, REFUSED = 1, USAGE = 2, SPARE_FILES = 64 };

static int complain(const struct fault *fault, int code)
{
	fprintf(stderr, "lbstatic: %s\n", fault->text);
	return code;
}

/* As many descriptors as the system lets us have: each connection takes one, each cached file may. */
static unsigned raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur < 1U << 30 ? limit.rlim_cur : 1U << 30;
}

/* A quarter of the descriptors is for cached files, the rest for connections. */
static void share_files(struct server *server, struct options *options)
{
	struct limits *limits = &options->limits;
	unsigned files = raise_files(), spare = files < 4 * SPARE_FILES ? files / 4 : SPARE_FILES;

	if (limits->cache_files > files / 4)
		limits->cache_files = files / 4;
	server->connections_max = files - spare - limits->cache_files;
	if (limits->connections && limits->connections < server->connections_max)
		server->connections_max = limits->connections;
}

static void set_durations(struct server *server)
{
	const struct limits *limits = &server->options->limits;

	timers_init(&server->timers);
	server->timers.duration_ms[TIMER_HEADER] = limits->header_ms;
	server->timers.duration_ms[TIMER_IDLE] = limits->idle_ms;
	server->timers.duration_ms[TIMER_SEND] = limits->send_ms;
	server->timers.duration_ms[TIMER_LINGER] = limits->linger_ms;
}

static int prepare_server(struct server *server, struct site *site, struct options *options,
			  struct fault *fault)
{
	int err;

	*server = (struct server){.options = options, .site = site, .epoll = -1};
	share_files(server, options);
	set_durations(server);
	if ((err = site_open(site, options, fault)) ||
	    (err = log_open(&server->log, options, fault)) ||
	    (err = counters_open(&server->counters, options, fault)))
		return err;
	server->buffer_bytes = options->limits.request.head_bytes + 16384;
	server->buffer = malloc(server->buffer_bytes);
	if (!server->buffer || cache_init(&server->cache, &options->limits))
		return fault_set(fault, -ENOMEM, "no memory");
	return 0;
}

static void finish_server(struct server *server, struct site *site)
{
	connections_close(server);
	cache_free(&server->cache);
	log_close(server->log);
	free(server->buffer);
	site_close(site);
}

static int serve_site(struct options *options, struct fault *fault)
{
	struct listeners listeners = {0};
	struct loop *loop = NULL;
	struct server server;
	struct site site;
	int err = prepare_server(&server, &site, options, fault);

	if (!err && !options->test && !(err = listeners_open(&listeners, options, fault)) &&
	    !(err = loop_open(&loop, &server, &listeners, fault)) &&
	    !(err = privilege_drop(&site, fault))) {
		memory_settle();
		loop_run(loop);
	}
	finish_server(&server, &site);
	loop_close(loop);
	listeners_close(&listeners);
	return err;
}

int main(int argc, char **argv)
{
	struct options options;
	struct fault fault;
	int err, code = STOPPED;

	options_init(&options);
	err = command_line_read(&options, argc, argv, &fault);
	if (err)
		code = complain(&fault, USAGE);
	else if (options.help)
		command_line_print_help();
	else if (options.version)
		printf("lbstatic %s\n", LB_VERSION);
	else if (serve_site(&options, &fault))
		code = complain(&fault, REFUSED);
	options_free(&options);
	return code;
}
