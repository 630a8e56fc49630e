/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other programs' listeners at addresses that lbd serves.  A start refuses such an address (service_clash.h); who comes
 * later is let listen by the kernel, and gets nothing, for lbd is asked first.
 */
#ifndef LB_SHADOWED_H
#define LB_SHADOWED_H

#include <stddef.h>

#include "host/net/sockets.h"
#include "model/pool.h"

/* By all of the host's, in the order of their ports.  What is new goes to the log. */
void shadowed_look(struct model *model, const struct sockets_listener *listeners, size_t count);

/* Of the last look: the sentence about one of a service's addresses.  NULL: there is none. */
enum { SHADOWED_TEXT_BYTES = 400 };
const char *shadowed_text(const struct service *service, char text[SHADOWED_TEXT_BYTES]);

#endif
