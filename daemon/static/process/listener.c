// SPDX-License-Identifier: Apache-2.0
#include "static/process/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "static/answer/output.h"

enum {
	FIRST_INHERITED = 3,
	DEFER_S = 5,
};

struct endpoint {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t len;
};

/* "ADDR:PORT", "[ADDR6]:PORT" or ":PORT" (every IPv4 address). */
static int parse_endpoint(const char *text, struct endpoint *endpoint, struct fault *fault)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t len = colon ? (size_t)(colon - text) : 0;
	unsigned long port = 0;
	char *end = NULL;

	*endpoint = (struct endpoint){.len = sizeof(endpoint->address.v4)};
	if (colon && colon[1] >= '0' && colon[1] <= '9')
		port = strtoul(colon + 1, &end, 10);
	if (!end || *end || port < 1 || port > 65535 || len >= sizeof(host))
		goto out;
	memcpy(host, text, len);
	host[len] = '\0';
	endpoint->address.v4.sin_family = AF_INET;
	endpoint->address.v4.sin_port = htons(port);
	if (!len || inet_pton(AF_INET, host, &endpoint->address.v4.sin_addr) == 1)
		return 0;
	if (*host != '[' || host[len - 1] != ']')
		goto out;
	host[len - 1] = '\0';
	endpoint->address.v6 = (struct sockaddr_in6){AF_INET6, htons(port), 0, {{{0}}}, 0};
	endpoint->len = sizeof(endpoint->address.v6);
	if (inet_pton(AF_INET6, host + 1, &endpoint->address.v6.sin6_addr) == 1)
		return 0;
out:
	return fault_set(fault, -EINVAL,
			 "listen: found '%s', allowed: ADDR:PORT with port 1 to 65535, such as "
			 "127.0.0.1:8081 or [::1]:8081",
			 text);
}

/* [::] takes IPv4 too, unless another listener has that port for it. */
static int has_v4_for(const struct options *options, in_port_t port)
{
	struct endpoint other;
	struct fault ignored;

	for (unsigned i = 0; i < options->listens; i++)
		if (!parse_endpoint(options->listen[i], &other, &ignored) &&
		    other.address.any.sa_family == AF_INET && other.address.v4.sin_port == port)
			return 1;
	return 0;
}

static void set_option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

/* All of these only make things better: a kernel or socket without them still serves. */
static void tune_socket(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_S);
	set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, OUTPUT_UNSENT);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int open_one(const char *text, const struct options *options, struct fault *fault)
{
	struct endpoint endpoint;
	int err = parse_endpoint(text, &endpoint, fault), fd;

	if (err)
		return err;
	fd = socket(endpoint.address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fault_set(fault, -errno, "listen %s: %s", text, strerror(errno));
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (endpoint.address.any.sa_family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
			   has_v4_for(options, endpoint.address.v6.sin6_port));
	tune_socket(fd);
	if (!bind(fd, &endpoint.address.any, endpoint.len) && !listen(fd, options->backlog))
		return fd;
	err = -errno;
	close(fd);
	return fault_set(fault, err, "listen %s: %s", text, strerror(-err));
}

/* The number of descriptors passed to this very process; the variables go no further. */
static unsigned inherited_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	unsigned count = 0;

	if (pid && fds && strtol(pid, NULL, 10) == getpid())
		count = strtoul(fds, NULL, 10);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return count;
}

static int take_inherited(struct listeners *listeners, unsigned count, struct fault *fault)
{
	if (count > LISTENS_MAX)
		return fault_set(fault, -EINVAL, "LISTEN_FDS: found %u, allowed: 1 to %d", count,
				 LISTENS_MAX);
	for (unsigned i = 0; i < count; i++) {
		int fd = FIRST_INHERITED + i, listening = 0;
		socklen_t len = sizeof(listening);

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) || !listening)
			return fault_set(fault, -EINVAL,
					 "LISTEN_FDS: descriptor %d is not a listening socket", fd);
		tune_socket(fd);
		listeners->fd[listeners->count++] = fd;
	}
	listeners->inherited = true;
	return 0;
}

int listeners_open(struct listeners *listeners, const struct options *options, struct fault *fault)
{
	unsigned count = inherited_count();

	*listeners = (struct listeners){0};
	if (count)
		return take_inherited(listeners, count, fault);
	if (!options->listens)
		return fault_set(fault, -EINVAL, "no address; say where to listen: -l ADDR:PORT");
	for (unsigned i = 0; i < options->listens; i++) {
		int fd = open_one(options->listen[i], options, fault);

		if (fd < 0)
			return fd;
		listeners->fd[listeners->count++] = fd;
	}
	return 0;
}

void listeners_close(struct listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++)
		close(listeners->fd[i]);
	listeners->count = 0;
}
