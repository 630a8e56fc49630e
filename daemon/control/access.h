/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask through the control socket, and who may change: struct control_access at work.  Private to the room
 * control.
 */
#ifndef LB_CONTROL_ACCESS_H
#define LB_CONTROL_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "control/client.h"

/* Of the peer that is connected by fd. */
enum client_rank access_rank(const struct control_access *access, int fd, const struct ucred *peer);

/* Owner, group and mode of the socket at path; false with errno. */
bool access_give(const struct control_access *access, const char *path);

#endif
