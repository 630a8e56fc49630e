/* SPDX-License-Identifier: Apache-2.0 */
#include "looks/elsewhere.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"
#include "model/listener.h"
#include "model/pool.h"
#include "worker/worker.h"

enum { SHOWN = 3, LOOKED_AT = 1024 };

struct found {
	const struct backend *backend;
	struct sockets_listener listeners[LOOKED_AT];
	size_t count;
};

static void collect_listener(void *arg, const struct sockets_listener *listener)
{
	struct found *found = arg;
	const struct worker *worker = found->backend->worker;

	if (found->count < LOOKED_AT && listener->inode && listener_is_made_by(worker, listener) &&
	    !listener_is_own(found->backend, listener))
		found->listeners[found->count++] = *listener;
}

/* Without control groups: by the session of who holds it. */
static void keep_session(struct found *found)
{
	struct sockets_holder *holders = calloc(LOOKED_AT, sizeof(*holders));
	uint32_t *inodes = calloc(LOOKED_AT, sizeof(*inodes));
	size_t kept = 0;

	for (size_t i = 0; holders && inodes && i < found->count; i++) {
		holders[i].session = worker_pid(found->backend->worker);
		inodes[i] = found->listeners[i].inode;
	}
	if (holders && inodes && !sockets_find_holders(inodes, found->count, holders))
		for (size_t i = 0; i < found->count; i++)
			if (holders[i].pid)
				found->listeners[kept++] = found->listeners[i];
	found->count = kept;
	free(holders);
	free(inodes);
}

static void print_found(const struct found *found, char text[ELSEWHERE_TEXT_BYTES])
{
	char address[ADDR_TEXT_BYTES];
	size_t used = 0;

	for (size_t i = 0; i < found->count && i < SHOWN; i++)
		used += (size_t)snprintf(
			text + used, ELSEWHERE_TEXT_BYTES - used, "%s%s", i ? ", " : "",
			addr_format_endpoint(&found->listeners[i].endpoint, address));
	if (found->count > SHOWN)
		snprintf(text + used, ELSEWHERE_TEXT_BYTES - used, " and %zu more",
			 found->count - SHOWN);
}

bool elsewhere_find(const struct backend *backend, char text[ELSEWHERE_TEXT_BYTES])
{
	struct found *found = backend->worker ? calloc(1, sizeof(*found)) : NULL;
	bool any = false;

	if (found) {
		found->backend = backend;
		sockets_each_listener(0, collect_listener, found);
		if (!worker_group(backend->worker))
			keep_session(found);
		print_found(found, text);
		any = found->count;
	}
	free(found);
	return any;
}
