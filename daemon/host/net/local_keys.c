/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/local_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "host/net/routes.h"

enum {
	TRIES = 10, /* when addresses change while they are read */
	ADDR_BITS = 128
};

void local_keys_add(void *arg, const struct lb_local_key *key)
{
	struct local_keys *list = arg;

	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		void *keys = reallocarray(list->keys, room, sizeof(*list->keys));

		list->failed |= !keys;
		if (!keys)
			return;
		list->keys = keys;
		list->room = room;
	}
	list->keys[list->count++] = *key;
}

void local_keys_free(struct local_keys *list)
{
	free(list->keys);
	*list = (struct local_keys){0};
}

/* By length first: single addresses are the longest, and all prefixes come before them. */
static int by_length(const void *a, const void *b)
{
	const struct lb_local_key *x = a, *y = b;

	if (x->prefix_bits != y->prefix_bits)
		return x->prefix_bits < y->prefix_bits ? -1 : 1;
	return memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

void local_keys_sort(struct local_keys *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->keys, list->count, sizeof(*list->keys), by_length);
	for (size_t i = 0; i < list->count; i++)
		if (!kept || by_length(&list->keys[kept - 1], &list->keys[i]))
			list->keys[kept++] = list->keys[i];
	list->count = kept;
}

bool local_keys_has(const struct local_keys *list, const struct lb_local_key *key)
{
	return list->count &&
	       bsearch(key, list->keys, list->count, sizeof(*key), by_length) != NULL;
}

int local_keys_read(struct local_keys *list)
{
	int err = -EINTR;

	for (int i = 0; i < TRIES && err == -EINTR; i++) {
		local_keys_free(list);
		err = routes_each_local(local_keys_add, list);
	}
	local_keys_sort(list);
	return list->failed ? -ENOMEM : err;
}

static bool is_in(const struct lb_local_key *key, const struct lb_addr *addr)
{
	unsigned bytes = key->prefix_bits / 8, bits = key->prefix_bits % 8;
	unsigned mask = 0xff00 >> bits & 0xff;

	if (addr_is_v4(&key->addr) != addr_is_v4(addr) || memcmp(&key->addr, addr, bytes) != 0)
		return false;
	return !bits || !((key->addr.bytes[bytes] ^ addr->bytes[bytes]) & mask);
}

bool local_keys_cover(const struct local_keys *list, const struct lb_addr *addr)
{
	const struct lb_local_key single = {.prefix_bits = ADDR_BITS, .addr = *addr};

	for (size_t i = 0; i < list->count && list->keys[i].prefix_bits < ADDR_BITS; i++)
		if (is_in(&list->keys[i], addr))
			return true;
	return local_keys_has(list, &single);
}
