/* SPDX-License-Identifier: Apache-2.0 */
/* `lbctl tail NAME -f`: sends what is added to a file to a control request until its client leaves. */
#ifndef LB_TAILS_H
#define LB_TAILS_H

#include <systemd/sd-event.h>

#include "control/control.h"

struct tail;
struct tails {
	struct tail *first;
};

/*
 * From the file's end as it is now; goes on with the next file of that name when this one is rotated away.  Whose it
 * may be: see place.h.  -errno with a line.
 */
int tail_add(struct tails *tails, sd_event *event, struct control_request *request,
	     const char *path, uid_t user, struct error *error);

void tail_gone(struct tails *tails, struct control_request *request);

#endif
