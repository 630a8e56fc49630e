/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that holds a listener of which the kernel side does not tell when it closes, because it
 * did not see it open: watched by its pidfd, so that its end is a reason to look.
 */
#ifndef LB_HOLDER_H
#define LB_HOLDER_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "model/facts.h"

/* Watches another process from now on; takes pidfd over.  At its end model_hooks.scan_later() is called. */
void holder_watch(struct holder *holder, struct model *model, int pidfd, uint32_t inode);
void holder_forget(struct holder *holder);

#endif
