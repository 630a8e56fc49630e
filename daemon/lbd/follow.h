/* SPDX-License-Identifier: Apache-2.0 */
/* `lbctl tail NAME -f`: sends what is added to a file to a control request until its client leaves. */
#ifndef LB_FOLLOW_H
#define LB_FOLLOW_H

#include <systemd/sd-event.h>

#include "control/control.h"

struct follow;
struct follows {
	struct follow *first;
};

/*
 * From the file's end as it is now; follows the name when the file is rotated away.  Whose it may be: see
 * place.h.  -errno with a line.
 */
int follow_add(struct follows *follows, sd_event *event, struct control_request *request,
	       const char *path, uid_t user, struct error *error);

void follow_gone(struct follows *follows, struct control_request *request);

#endif
