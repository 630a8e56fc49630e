/* SPDX-License-Identifier: Apache-2.0 */
/* Are the addresses of backends this host's?  The kernel is asked, in the network namespace of the caller. */
#ifndef LB_OWN_ADDRESSES_H
#define LB_OWN_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/error.h"
#include "conf/conf.h"

/* Addresses that were found to be, and are not asked for again. */
struct own_addresses {
	struct lb_addr *list; /* the caller's; sorted */
	size_t count;
	struct lb_addr last; /* that was asked for */
};

/* Is it, for connections to it? */
bool own_addresses_has(const struct lb_addr *addr);

void own_addresses_sort(struct own_addresses *known);

/* -EADDRNOTAVAIL with a line for the pool's first backend whose address is another host's. */
int own_addresses_check(struct own_addresses *known, const struct conf_pool *pool,
			struct error *error);

#endif
