/* SPDX-License-Identifier: Apache-2.0 */
/* The look at all listening sockets: one dump, one walk through /proc where a process is to be found. */
#ifndef LB_SCAN_H
#define LB_SCAN_H

#include <stddef.h>

struct backend;
struct model;

/*
 * Looks at all listening sockets of the network namespace: captures what is a backend's and not in
 * place, lets go of what is not, tells backends what is there, and who has the port of one that has no
 * listener.  -errno of the look; a socket that cannot be taken (its holder is in another pid namespace,
 * say) becomes its backend's note.
 */
int listeners_scan(struct model *model);

/* For listeners_capture(); -EAGAIN where a look is to do again what could not be done. */
int scan_capture(struct model *model, struct backend *const *backends, size_t count);

#endif
