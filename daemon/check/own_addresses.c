/* SPDX-License-Identifier: Apache-2.0 */
#include "check/own_addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A subnet's: bind(2) takes it, but no connection can be made to it.  Nothing is sent. */
static bool is_broadcast(const struct sockaddr_storage *sa, socklen_t length)
{
	int fd = socket(sa->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_one;

	if (fd < 0)
		return false;
	is_one = connect(fd, (const struct sockaddr *)sa, length) < 0 && errno == EACCES;
	close(fd);
	return is_one;
}

/* bind(2) knows it, also of those of `local` routes. */
bool own_addresses_has(const struct lb_addr *addr)
{
	struct lb_endpoint endpoint = {.addr = *addr};
	struct sockaddr_storage sa;
	socklen_t length = addr_to_sockaddr(&endpoint, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool local = true;

	if (fd < 0)
		return errno != EAFNOSUPPORT;
	/* EINVAL: of a link, which an endpoint does not name. */
	if (bind(fd, (struct sockaddr *)&sa, length) < 0)
		local = errno != EADDRNOTAVAIL && errno != EINVAL;
	close(fd);
	return local && !is_broadcast(&sa, length);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_addr));
}

void own_addresses_sort(struct own_addresses *known)
{
	qsort(known->list, known->count, sizeof(*known->list), by_bytes);
}

static bool is_known(const struct own_addresses *known, const struct lb_addr *addr)
{
	return !by_bytes(addr, &known->last) ||
	       (known->count && bsearch(addr, known->list, known->count, sizeof(*addr), by_bytes));
}

int own_addresses_check(struct own_addresses *known, const struct conf_pool *pool,
			struct error *error)
{
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct conf_backend *backend = &pool->backends[i];
		char text[ADDR_TEXT_BYTES];

		if (is_known(known, &backend->endpoint.addr))
			continue;
		if (!own_addresses_has(&backend->endpoint.addr))
			return block_error(backend->at, error, -EADDRNOTAVAIL,
					   "backend %s: not an address of this host alone; "
					   "only local backends can be served",
					   addr_format_endpoint(&backend->endpoint, text));
		known->last = backend->endpoint.addr;
	}
	return 0;
}
