// SPDX-License-Identifier: Apache-2.0
/*
 * The cheapest worker that is still HTTP: answers a constant, so that a benchmark measures what stands
 * before it.  Keeps connections alive.  Listens on one port, or on all of a range (and
 * then names itself by the first).  GET /hold is long polling: never answered; GET /held says how
 * many such requests there are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_SIZE = 256, READ_SIZE = 4096, EVENTS_MAX = 256, BACKLOG = 4096 };

static char *holding; /* by descriptor: has a request that is never answered */
static long held;
static struct {
	char text[ANSWER_SIZE];
	int size;
} answers[2]; /* [1]: to one who wants the connection closed */

static int fail(const char *what)
{
	fprintf(stderr, "answer: %s: %s\n", what, strerror(errno));
	return 1;
}

static void connection_close(int fd)
{
	held -= holding[fd];
	holding[fd] = 0;
	close(fd);
}

static bool wants_close(const char *request)
{
	return strcasestr(request, "\r\nConnection: close") || strstr(request, " HTTP/1.0\r\n");
}

/* false: the connection is over. */
static bool respond(int fd, const char *request)
{
	bool over = wants_close(request);
	char text[ANSWER_SIZE];
	const char *out = answers[over].text;
	int size = answers[over].size;

	if (!strncmp(request, "GET /hold ", 10)) {
		holding[fd] = 1;
		held++;
		return true;
	}
	if (!strncmp(request, "GET /held ", 10)) {
		size = snprintf(text, sizeof(text),
				"HTTP/1.1 200 OK\r\n%sContent-Length: 8\r\n\r\n%7ld\n",
				over ? "Connection: close\r\n" : "", held);
		out = text;
	}
	return send(fd, out, (size_t)size, MSG_NOSIGNAL) == size && !over;
}

static void answers_prepare(int port)
{
	for (int over = 0; over < 2; over++)
		answers[over].size = snprintf(answers[over].text, ANSWER_SIZE,
					      "HTTP/1.1 200 OK\r\nX-Worker: %d\r\n%s"
					      "Content-Type: text/plain\r\n"
					      "Content-Length: 6\r\n\r\nhello\n",
					      port, over ? "Connection: close\r\n" : "");
}

static void connection_event(int fd)
{
	char request[READ_SIZE];
	ssize_t size = recv(fd, request, sizeof(request) - 1, 0);

	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0 || size < 4 || memcmp(request + size - 4, "\r\n\r\n", 4)) {
		connection_close(fd);
		return;
	}
	request[size] = '\0';
	if (!respond(fd, request))
		connection_close(fd);
}

static void listener_event(int epoll, int listener, long limit)
{
	struct epoll_event event = {.events = EPOLLIN};
	int on = 1;

	for (int i = 0; i < 16; i++) { /* leave some to the other connections */
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (fd >= limit) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		event.data.fd = fd;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			close(fd);
	}
}

static int listener_open(const char *address, int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &addr.sin_addr) != 1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, BACKLOG))
		return -1;
	return fd;
}

/* Listens on first..last of the address; those listeners are the lowest descriptors, up to *top. */
static int listeners_open(int epoll, const char *address, int first, int last, int *top)
{
	struct epoll_event event = {.events = EPOLLIN};

	for (int port = first; port <= last; port++) {
		event.data.fd = *top = listener_open(address, port);
		if (*top < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, *top, &event))
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX];
	struct rlimit files = {0};
	int first = argc > 2 ? atoi(argv[2]) : 0;
	int last = argc > 3 ? atoi(argv[3]) : first;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int top = -1;

	if (first < 1 || last < first || last > 65535) {
		fputs("usage: answer ADDR PORT [LAST]\n", stderr);
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	holding = calloc(files.rlim_cur, 1);
	answers_prepare(first);
	if (!holding || listeners_open(epoll, argv[1], first, last, &top))
		return fail(argv[1]);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd <= top)
				listener_event(epoll, events[i].data.fd, (long)files.rlim_cur);
			else
				connection_event(events[i].data.fd);
		}
	}
}
