/* SPDX-License-Identifier: Apache-2.0 */
/* The host's own addresses and prefixes, as routes.h tells them: a sorted list, each once.  Owned by who reads it. */
#ifndef LB_LOCAL_KEYS_H
#define LB_LOCAL_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "lb/abi.h"

struct local_keys {
	struct lb_local_key *keys; /* sorted, each once */
	size_t count, room;
	bool failed; /* no memory */
};

/* Of this network namespace; replaces what was in it.  -errno: the list is empty or not whole. */
int local_keys_read(struct local_keys *list);

/* arg: the list, for routes_each_local() and the like; sort afterwards. */
void local_keys_add(void *arg, const struct lb_local_key *key);
void local_keys_sort(struct local_keys *list);

bool local_keys_has(const struct local_keys *list, const struct lb_local_key *key);

/* Is the address one of them, or in one of the prefixes? */
bool local_keys_cover(const struct local_keys *list, const struct lb_addr *addr);

void local_keys_free(struct local_keys *list);

#endif
