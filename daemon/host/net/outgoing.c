/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/outgoing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "host/net/ephemeral.h"

/* Ports that are free by all that lbd knows, and still somebody's. */
enum { TRIES = 32 };

struct outgoing {
	struct ephemeral ephemeral;
	uint16_t backends[UINT16_MAX + 1]; /* how many have the port, in host order */
};

struct outgoing *outgoing_new(void)
{
	struct outgoing *outgoing = calloc(1, sizeof(*outgoing));

	if (outgoing)
		outgoing_refresh(outgoing);
	return outgoing;
}

void outgoing_free(struct outgoing *outgoing)
{
	free(outgoing);
}

void outgoing_refresh(struct outgoing *outgoing)
{
	ephemeral_read(&outgoing->ephemeral);
}

void outgoing_add(struct outgoing *outgoing, const struct lb_endpoint *endpoint)
{
	if (outgoing)
		outgoing->backends[ntohs(endpoint->port)]++;
}

void outgoing_remove(struct outgoing *outgoing, const struct lb_endpoint *endpoint)
{
	if (outgoing)
		outgoing->backends[ntohs(endpoint->port)]--;
}

/*
 * Other connections may have the port as well, to elsewhere, and a worker that asks for SO_REUSEADDR can
 * listen there: that is not for long, but what a closed connection leaves is.
 */
static int bind_port(int fd, int family, uint16_t port)
{
	struct lb_endpoint from = {.port = htons(port), .protocol = IPPROTO_TCP};
	struct sockaddr_storage sa;
	socklen_t length;
	int one = 1;

	addr_any(family == AF_INET6, &from.addr);
	length = addr_to_sockaddr(&from, &sa);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
	    bind(fd, (struct sockaddr *)&sa, length))
		return -errno;
	return 0;
}

/* port 0: any. */
static int connect_from(uint16_t port, const struct lb_endpoint *to)
{
	struct sockaddr_storage sa;
	socklen_t length = addr_to_sockaddr(to, &sa);
	int err, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	err = port ? bind_port(fd, sa.ss_family, port) : 0;
	if (!err && connect(fd, (struct sockaddr *)&sa, length) && errno != EINPROGRESS)
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Not to be foreseen by who would forge an answer: RFC 6056. */
static unsigned draw_number(unsigned count)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = random();
	return number % count;
}

int outgoing_connect(const struct outgoing *outgoing, const struct lb_endpoint *to)
{
	const struct ephemeral *ephemeral = outgoing ? &outgoing->ephemeral : NULL;
	unsigned count, start, tries = 0;

	if (!outgoing)
		return connect_from(0, to);
	count = ephemeral->last - ephemeral->first + 1;
	start = draw_number(count);
	for (unsigned i = 0; i < count && tries < TRIES; i++) {
		uint16_t port = ephemeral->first + (start + i) % count;
		int fd;

		if (!port || outgoing->backends[port] || !ephemeral_has(ephemeral, port))
			continue;
		tries++;
		fd = connect_from(port, to);
		if (fd != -EADDRINUSE && fd != -EADDRNOTAVAIL)
			return fd;
	}
	return -EADDRNOTAVAIL;
}
