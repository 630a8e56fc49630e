/* SPDX-License-Identifier: Apache-2.0 */
#include "listeners/sorted.h"

#include <stdlib.h>

static int by_port(const void *a, const void *b)
{
	const struct sockets_listener *left = a, *right = b;

	return (int)left->endpoint.port - (int)right->endpoint.port;
}

void sorted_by_port(struct sockets_listener *listeners, size_t count)
{
	if (count)
		qsort(listeners, count, sizeof(*listeners), by_port);
}

size_t sorted_first(const struct sockets_listener *listeners, size_t count, __be16 port)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (listeners[middle].endpoint.port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
