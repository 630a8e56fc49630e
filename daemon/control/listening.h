/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket that listens at the control socket's path: a new one, or that of the program before this one.  Private to
 * the room control.
 */
#ifndef LB_CONTROL_LISTENING_H
#define LB_CONTROL_LISTENING_H

#include "control/control.h"

/* Its descriptor, or -errno as control_new() has it. */
int listening_open(const char *path, const struct control_access *access, struct error *error);

/* That of control_take_on(), if it still has its path; -1. */
int listening_go_on(const char *path, const struct control_access *access);

#endif
