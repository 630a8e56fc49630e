/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control verbs as edits of a configuration's tree.  Each checks only what it needs to find its place;
 * conf_build() checks the result as it checks a file.  Pure.
 */
#ifndef LB_EDIT_H
#define LB_EDIT_H

#include "base/error.h"
#include "block/block.h"

int edit_attach(struct block *root, const char *interface, const char *mode, struct error *error);
int edit_detach(struct block *root, const char *interface, struct error *error);

/* A pool that does not exist yet is made.  weight, max_connections and owner may be NULL. */
int edit_backend_add(struct block *root, const char *pool, const char *address, const char *weight,
		     const char *max_connections, const char *owner, struct error *error);
/* A pool that has nothing else, and that no service names, goes with its last one. */
int edit_backend_remove(struct block *root, const char *pool, const char *address,
			struct error *error);
/* One that has no line of its own, as a worker, is refused. */
int edit_backend_weight(struct block *root, const char *pool, const char *address,
			const char *weight, struct error *error);
/* Sets or clears the word `drain`; one of a worker block has no place for it: 0 and nothing done. */
int edit_backend_drain(struct block *root, const char *pool, const char *address, int drain);
/* With its backends; one that a service names is refused, and without force one that has workers. */
int edit_pool_remove(struct block *root, const char *pool, bool force, struct error *error);

int edit_service_add(struct block *root, const char *name, const char *address, const char *pool,
		     struct error *error);
/* That of a `static`, and that of pool `default` which is in no file, are refused. */
int edit_service_remove(struct block *root, const char *name, struct error *error);

#endif
