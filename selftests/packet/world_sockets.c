/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "world.h"

enum { CONNECT_TIMEOUT_MS = 3000 };

static int sockets[WORLD_SOCKETS];
static size_t socket_count;

static int remember(int fd)
{
	assert_true(fd >= 0);
	assert_true(socket_count < WORLD_SOCKETS);
	return sockets[socket_count++] = fd;
}

static void reset_on_close(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void world_close_socket(int fd)
{
	for (size_t i = 0; i < socket_count; i++) {
		if (sockets[i] != fd)
			continue;
		close(fd);
		sockets[i] = sockets[--socket_count];
		return;
	}
	fail_msg("socket %d is not open", fd);
}

void world_reset_socket(int fd)
{
	reset_on_close(fd);
	world_close_socket(fd);
}

/* Nothing stays in TIME_WAIT: the kernel sends no cookie where it finds that. */
void world_close_sockets(void)
{
	while (socket_count) {
		reset_on_close(sockets[--socket_count]);
		close(sockets[socket_count]);
	}
}

static socklen_t to_sockaddr(const char *address, uint16_t port, struct sockaddr_storage *sa)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;

	memset(sa, 0, sizeof(*sa));
	if (strchr(address, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, address, &v4->sin_addr), 1);
	return sizeof(*v4);
}

int world_bind(const char *address, uint16_t port, int flags)
{
	struct sockaddr_storage sa;
	socklen_t length = to_sockaddr(address, port, &sa);
	int one = 1, v6only = !!(flags & WORLD_V6ONLY);
	int fd = remember(socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (flags & WORLD_REUSEPORT)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	if (bind(fd, (struct sockaddr *)&sa, length))
		fail_msg("bind to %s port %u: %s", address, port, strerror(errno));
	return fd;
}

int world_listen(const char *address, uint16_t port, int flags)
{
	int fd = world_bind(address, port, flags);

	if (listen(fd, WORLD_BACKLOG))
		fail_msg("listen on %s port %u: %s", address, port, strerror(errno));
	return fd;
}

static int bind_client(const char *client, uint16_t client_port)
{
	struct sockaddr_storage sa;
	socklen_t length = to_sockaddr(client, client_port, &sa);
	int one = 1;
	int fd = remember(socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, length))
		fail_msg("bind to %s port %u: %s", client, client_port, strerror(errno));
	return fd;
}

static void connect_client(int fd, const char *service, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t length = to_sockaddr(service, port, &sa);

	if (connect(fd, (struct sockaddr *)&sa, length) && errno != EINPROGRESS)
		fail_msg("connect to %s port %u: %s", service, port, strerror(errno));
}

int world_client(const char *client, uint16_t client_port, const char *service, uint16_t port)
{
	int fd = bind_client(client, client_port);

	connect_client(fd, service, port);
	return fd;
}

static void discard_all(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = {.len = 1, .filter = &nothing};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), 0);
}

int world_deaf_client(const char *client, uint16_t client_port, const char *service, uint16_t port)
{
	int fd = bind_client(client, client_port);

	discard_all(fd);
	connect_client(fd, service, port);
	return fd;
}

int world_finish_connect(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int error = ETIMEDOUT;
	socklen_t length = sizeof(error);

	if (poll(&ready, 1, CONNECT_TIMEOUT_MS) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error;
}

uint16_t world_local_port(int fd)
{
	struct sockaddr_in6 sa;
	socklen_t length = sizeof(sa);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	return ntohs(sa.sin6_port); /* at the same place in both families */
}

bool world_has_connection(int listener)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};

	return poll(&ready, 1, 0) == 1;
}

int world_accept(int listener)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};

	if (poll(&ready, 1, CONNECT_TIMEOUT_MS) != 1)
		return -1;
	return remember(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

bool world_is_connecting(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	return info.tcpi_state == TCP_SYN_SENT;
}

/* As lb/abi.h tells lbd to make them. */
static void add_sink(const char *address, bool is_v6)
{
	int fd = world_listen(address, 0, 0);

	discard_all(fd);
	world_set_slot(LB_SINK(is_v6), fd);
}

void world_add_sinks(void)
{
	add_sink("127.0.0.1", false);
	add_sink("::1", true);
}
