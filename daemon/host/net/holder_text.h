/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds a socket, for a person.  The name is the process's own word, hence shown, never believed. */
#ifndef LB_HOLDER_TEXT_H
#define LB_HOLDER_TEXT_H

#include <stddef.h>
#include <sys/types.h>

#include "host/net/sockets.h"

/* "nc (pid 7, user nobody)"; where no process is known (pid 0) "a process of user nobody", by who made the socket. */
void holder_text(const struct sockets_holder *holder, uid_t maker, char *text, size_t size);

/* The user's name, or the number, where it has none. */
enum { HOLDER_NUMBER_BYTES = 16 };
const char *holder_user(uid_t uid, char number[HOLDER_NUMBER_BYTES]);

#endif
