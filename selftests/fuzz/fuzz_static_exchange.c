// SPDX-License-Identifier: Apache-2.0
/*
 * A whole lbstatic but for its listener: what a client sends goes through a socket in pieces, and what
 * it gets back must be whole responses.  Of the input the first byte says how large the pieces are, the
 * second what happens to the connection, and in which turn.
 */
#include "static/connection/connections.h"
#include "static/options/command_line.h"
#include "static/site/site.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	STOP = 1U << 0,   /* SIGTERM comes */
	EXPIRE = 1U << 1, /* the deadlines are over */
	CLOSE = 1U << 2,  /* the client is gone */
	HALVE = 1U << 3,  /* the client says no more, but listens */
	ALL = 1U << 4,
	OUTPUT_BYTES = 8 << 20,
};

static struct server server;
static char output[OUTPUT_BYTES + 1];
static size_t output_len;
static int client; /* the socket of the other side, -1 when it is gone */
static struct {
	unsigned what, turns;
} plan;
static bool partial; /* output does not begin at the beginning, or may end in the middle */

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char *words[] = {"lbstatic", "--root",     "/usr/include", "--listing",
				"on",       "--header",   "*.h",          "X-A: b",
				"--deny",   "all",        "/linux",       "--send_chunk",
				"1000",     "--fallback", "/app",         "/errno.h"};
	static struct options options;
	static struct site site;
	struct fault fault;

	(void)argc, (void)argv;
	options_init(&options);
	require(!command_line_read(&options, sizeof(words) / sizeof(*words), words, &fault));
	require(!site_open(&site, &options, &fault));
	server = (struct server){.options = &options, .site = &site, .connections_max = 100};
	timers_init(&server.timers);
	for (unsigned kind = 0; kind < TIMER_KINDS; kind++)
		server.timers.duration_ms[kind] = 1000;
	require(!counters_open(&server.counters, &options, &fault));
	server.buffer_bytes = options.limits.request.head_bytes + 16384;
	server.buffer = malloc(server.buffer_bytes);
	require(server.buffer && !cache_init(&server.cache, &options.limits));
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	server.now_ms = 1000000;
	date_format(server.date, 784111777);
	return server.epoll < 0;
}

/* Reads what has come; whether anything had. */
static bool take(void)
{
	size_t before = output_len;
	ssize_t got;

	do {
		got = recv(client, output + output_len, OUTPUT_BYTES - output_len, MSG_DONTWAIT);
		if (got > 0)
			output_len += got;
		if (output_len == OUTPUT_BYTES) { /* too much to keep it all */
			partial = true;
			output_len = before = 0;
		}
	} while (got > 0);
	return output_len > before;
}

static void interrupt(void)
{
	if (plan.what & STOP)
		connections_stop(&server);
	if (plan.what & EXPIRE)
		server.now_ms += 10000;
	if (plan.what & HALVE)
		shutdown(client, SHUT_WR);
	if (plan.what & CLOSE) {
		close(client);
		client = -1;
	}
}

/* Turns of the loop until there is nothing to do but to wait. */
static void run(void)
{
	struct epoll_event events[8];
	bool more;
	int count;

	do {
		count = epoll_wait(server.epoll, events, 8, 0);
		for (int i = 0; i < count; i++)
			connections_event(&server, events[i].data.ptr, events[i].events);
		connections_turn(&server);
		connections_expire(&server);
		connections_collect(&server);
		if (!plan.turns--)
			interrupt();
		more = client >= 0 && take();
	} while (count > 0 || server.turns || more);
}

static const char *find(const char *at, const char *end, const char *text)
{
	return memmem(at, end - at, text, strlen(text));
}

static bool begins(const char *at, const char *end)
{
	return at == end || (end - at > 12 && !memcmp(at, "HTTP/1.1 ", 9));
}

/* One response after the other, each as long as it says, or, to HEAD, a head alone. */
static void check_responses(const char *at, const char *end)
{
	while (at < end) {
		const char *body, *length;

		require(begins(at, end));
		body = find(at, end, "\r\n\r\n");
		require(body);
		body += 4;
		require(at[9] == '1' || find(at, body, "\r\nDate: "));
		length = find(at, body, "\r\nContent-Length: ");
		at = body;
		if (length) {
			size_t bytes = strtoul(length + 18, NULL, 10);

			if ((size_t)(end - body) >= bytes && begins(body + bytes, end))
				at = body + bytes;
			else
				require(begins(body, end));
		}
	}
}

static void talk(const char *at, size_t len, size_t piece)
{
	bool sending = true;

	for (size_t sent = 0; sent < len && client >= 0 && sending; sent += piece) {
		size_t bytes = len - sent < piece ? len - sent : piece;

		sending = send(client, at + sent, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) ==
			  (ssize_t)bytes;
		run();
	}
	if (client < 0)
		return;
	shutdown(client, SHUT_WR);
	run();
	close(client);
	client = -1;
	if (!partial)
		check_responses(output, output + output_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address address = {{[15] = 1}};
	int pair[2];

	if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return 0;
	client = pair[0];
	plan.what = data[1];
	plan.turns = data[1] / ALL;
	output_len = 0;
	partial = plan.what & EXPIRE;
	connections_add(&server, pair[1], &address);
	talk((const char *)data + 2, size - 2, data[0] ? data[0] * 4U : 1 << 20);
	run();
	require(!server.connections && !server.turns && !server.closed);
	server.stopping = false;
	return 0;
}
