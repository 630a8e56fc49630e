/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that accepts from one of its two inherited listeners alone (`listen inherit; dual_stack on;`): clients
 * of the other family are delivered to it and wait for ever, while checks and clients of the first are answered.
 * Told to a person, once for each time that the backend gets up.  While others of its pool take clients of that
 * family, the kernel side has no listener of it for them, and so does not choose it.
 *
 * A listener is deaf when for 10 s clients have waited in its accept queue, at no look fewer than before, while
 * at the last look nobody waits at the other one.  A process that stands still is stuck.h's matter.
 */
#ifndef LB_DEAF_H
#define LB_DEAF_H

#include <stdbool.h>
#include <stdint.h>

#include "model/backend.h"

/* It is up.  Where lbd has not two listeners for it, nothing is looked at. */
void deaf_watch(struct backend *backend);
void deaf_end(
	struct backend *backend); /* not up any more, or another process: all is as it was before */
void deaf_forget(struct backend *backend); /* before it is freed */

void deaf_look_at_others(
	const struct backend *backend); /* this one may not take their clients any more */

bool deaf_is_told(const struct backend *backend);
void deaf_text(const struct backend *backend, char text[BACKEND_NOTE_BYTES]); /* for its note */

#endif
