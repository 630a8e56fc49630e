// SPDX-License-Identifier: Apache-2.0
/*
 * Closed-loop HTTP client: each of its connections asks again as soon as it was answered, which finds
 * how many requests a system can answer at most (and hides every stall: openloop.c is for latency).
 *
 * Connections take the targets in turn, each new one the next.  So all of them meet at every client,
 * as they do behind a balancer, and a comparison of the two is one of equals.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "response.h"
#include "target.h"

enum { TARGETS_MAX = 64, CONNECTIONS_MAX = 4096, EVENTS_MAX = 256, READ_SIZE = 16384 };

#define NS_PER_S 1e9

struct connection {
	int fd;
	bool connected;
	struct response response;
};

struct client {
	int epoll;
	struct target targets[TARGETS_MAX];
	size_t target_count, turn;
	const char *text;
	size_t size;
	uint64_t answered, failed;
};

struct options {
	long connections;
	double duration_s;
};

static const char request_kept[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
static const char request_once[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / NS_PER_S;
}

static void usage(FILE *to)
{
	fputs("usage: closedloop [options] ADDR:PORT...\n"
	      "  -c, --connections N  at a time (16)\n"
	      "  -d, --duration S     (10)\n"
	      "  -n, --new            a new connection for each request\n",
	      to);
}

/* The connection's next socket, to the next target; a failure to make one is counted and final. */
static void connection_open(struct client *client, struct connection *c)
{
	const struct target *target = &client->targets[client->turn++ % client->target_count];
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	int on = 1;

	response_reset(&c->response);
	c->connected = false;
	c->fd = socket(target->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		client->failed++;
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event) &&
	    (!connect(c->fd, (const struct sockaddr *)&target->addr, target->length) ||
	     errno == EINPROGRESS))
		return;
	client->failed++;
	close(c->fd);
	c->fd = -1;
}

static void connection_again(struct client *client, struct connection *c)
{
	close(c->fd);
	connection_open(client, c);
}

static void connection_fail(struct client *client, struct connection *c)
{
	client->failed++;
	connection_again(client, c);
}

static void connection_ask(struct client *client, struct connection *c)
{
	response_reset(&c->response);
	if (send(c->fd, client->text, client->size, MSG_NOSIGNAL) != (ssize_t)client->size)
		connection_fail(client, c);
}

static void connection_read(struct client *client, struct connection *c)
{
	static char buffer[READ_SIZE];
	ssize_t size = recv(c->fd, buffer, sizeof(buffer), 0);
	int done;

	if (size < 0 && errno == EAGAIN)
		return;
	done = size > 0 ? response_feed(&c->response, buffer, (size_t)size, NULL) : -1;
	if (done < 0 || (done && c->response.status != 200)) {
		connection_fail(client, c);
	} else if (done) {
		client->answered++;
		if (client->text == request_once || c->response.close)
			connection_again(client, c);
		else
			connection_ask(client, c);
	}
}

static void connection_event(struct client *client, struct connection *c, uint32_t events)
{
	if (!c->connected && events & EPOLLOUT && !(events & EPOLLERR)) {
		c->connected = true;
		connection_ask(client, c);
	} else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		connection_read(client, c);
	}
}

static int run(struct client *client, double until)
{
	struct epoll_event events[EVENTS_MAX];

	for (double now = now_s(); now < until; now = now_s()) {
		int wait_ms = (int)((until - now) * 1000) + 1;
		int count = epoll_wait(client->epoll, events, EVENTS_MAX, wait_ms);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count; i++)
			connection_event(client, events[i].data.ptr, events[i].events);
	}
	return 0;
}

/* false: the words were wrong, and standard error was told. */
static bool options_parse(struct client *client, struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"connections", 1, NULL, 'c'}, {"duration", 1, NULL, 'd'}, {"new", 0, NULL, 'n'},
		{"help", 0, NULL, 'h'},        {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:d:nh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->connections = strtol(optarg, NULL, 10);
			break;
		case 'd':
			o->duration_s = strtod(optarg, NULL);
			break;
		case 'n':
			client->text = request_once;
			client->size = sizeof(request_once) - 1;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			return false;
		}
	}
	for (; optind < argc && client->target_count < TARGETS_MAX; optind++)
		if (target_parse(&client->targets[client->target_count++], argv[optind]))
			return false;
	if (client->target_count && optind == argc && o->connections > 0 &&
	    o->connections <= CONNECTIONS_MAX && o->duration_s > 0 && o->duration_s <= 3600)
		return true;
	usage(stderr);
	return false;
}

int main(int argc, char **argv)
{
	static struct connection connections[CONNECTIONS_MAX];
	struct client client = {.text = request_kept, .size = sizeof(request_kept) - 1};
	struct options o = {.connections = 16, .duration_s = 10};
	double start;
	int err;

	if (!options_parse(&client, &o, argc, argv))
		return 2;
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	start = now_s();
	for (long i = 0; i < o.connections; i++)
		connection_open(&client, &connections[i]);
	err = run(&client, start + o.duration_s);
	if (err) {
		fprintf(stderr, "closedloop: %s\n", strerror(-err));
		return 1;
	}
	printf("{\"requests\": %lu, \"failed\": %lu, \"seconds\": %.6f}\n", client.answered,
	       client.failed, now_s() - start);
	return 0;
}
