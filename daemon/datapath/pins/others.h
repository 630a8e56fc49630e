/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other instances of lbd on this host, by what they have pinned.  It serves whether or not their lbd runs.  Those whose
 * bpffs is another's, as in a container with its own, are not to be seen.  Stateless; without the right to look there
 * are none.
 */
#ifndef LB_DATAPATH_OTHERS_H
#define LB_DATAPATH_OTHERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/name.h"
#include "lb/abi.h"

enum { OTHERS_NAME_BYTES = NAME_INSTANCE_MAX + 1 };

typedef void others_address(void *arg, const char *instance, const struct lb_endpoint *address);

/* Calls each for every address that an instance but own serves in this network namespace. */
void others_each_listen(const char *own, others_address *each, void *arg);

/* The same for every address at which it has a backend, whether or not that listens now. */
void others_each_backend(const char *own, others_address *each, void *arg);

/* The instance that has attached this program by a link of its own, wherever; false: none has. */
bool others_find_program(uint32_t program, char instance[OTHERS_NAME_BYTES]);

#endif
