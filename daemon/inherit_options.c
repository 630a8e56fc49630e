/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a listener that outlive the process which set them, and keep clients out of every later one.
 * Not those that a server sets for good reason (buffers, time limits, TCP_DEFER_ACCEPT, SO_LINGER): at its crash it
 * would lose its queue for them.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inherit.h"

enum { VALUE_BYTES = 64 }; /* more than any of them has: IP_OPTIONS has 40 */

/* Danger: a filter's length counts instructions, of which the kernel writes all; with 0 it tells how many. */
#define OPTION(level, option)                                                                      \
	{                                                                                          \
		level, option, VALUE_BYTES, #option                                                \
	}
#define FILTER(option)                                                                             \
	{                                                                                          \
		SOL_SOCKET, option, 0, #option                                                     \
	}

static const struct option {
	int level, option;
	socklen_t room;
	const char *name;
} options[] = {
	OPTION(SOL_SOCKET, SO_BINDTOIFINDEX),
	OPTION(SOL_SOCKET, SO_MARK),
	OPTION(SOL_SOCKET, SO_DONTROUTE),
	OPTION(SOL_SOCKET, SO_RCVLOWAT),
	OPTION(SOL_SOCKET, SO_MAX_PACING_RATE),
	OPTION(SOL_SOCKET, SO_LOCK_FILTER),
	FILTER(SO_ATTACH_FILTER),
	OPTION(IPPROTO_IP, IP_MINTTL),
	OPTION(IPPROTO_IP, IP_TTL),
	OPTION(IPPROTO_IP, IP_OPTIONS),
	OPTION(IPPROTO_IPV6, IPV6_MINHOPCOUNT),
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
	OPTION(IPPROTO_TCP, TCP_MAXSEG),
};

struct value {
	bool is_readable; /* a filter of eBPF is not */
	socklen_t length;
	char bytes[VALUE_BYTES];
};

static struct value read_value(int fd, const struct option *option)
{
	struct value value = {.length = option->room};

	value.is_readable =
		!getsockopt(fd, option->level, option->option, value.bytes, &value.length);
	return value;
}

static bool differs(int fd, int fresh, const struct option *option)
{
	struct value is = read_value(fd, option), was = read_value(fresh, option);

	return is.is_readable != was.is_readable || is.length != was.length ||
	       memcmp(is.bytes, was.bytes, sizeof(is.bytes));
}

const char *inherit_changed_option(int fd)
{
	int family, fresh;
	socklen_t length = sizeof(family);
	const char *name = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length))
		return NULL;
	fresh = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fresh < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options) && !name; i++)
		if (differs(fd, fresh, &options[i]))
			name = options[i].name;
	close(fresh);
	return name;
}
