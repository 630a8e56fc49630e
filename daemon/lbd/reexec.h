/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another program in lbd's place, in the same process: `lbctl reexec`.  Nothing is given up before the new
 * program has shown, run beside this one with --test-takeover, that it can go on from here.
 */
#ifndef LB_REEXEC_H
#define LB_REEXEC_H

#include "lbd/lbd.h"

/*
 * Tries the new program; the request is replied to when that has ended, and then the event loop ends if
 * it can take over.  -EBUSY: one is being tried already; else -errno with a line, as when it is not there.
 */
int reexec_begin(struct lbd *lbd, struct control_request *request, struct error *error);
void reexec_gone(struct lbd *lbd, struct control_request *request); /* its client has left */

/*
 * When all that is not to be handed over has been closed; control: its socket, or -1.  Returns when even the old one
 * cannot be run.
 */
void reexec_now(struct lbd *lbd, int control);

void reexec_end(struct lbd *lbd); /* no trial is to go on */

#endif
