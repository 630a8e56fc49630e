/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's notify socket on its way over lbd's death, or a reexec: as lbd hands it to its keeper (keeper.h), and
 * as that gives it, when it ends, to the next lbd, with what was said on it while no lbd was there.
 */
#ifndef LB_KEPT_NOTIFY_H
#define LB_KEPT_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

enum { KEPT_NOTIFY_SAID_BYTES = 512 };

struct kept_notify {
	uid_t user; /* who may send */
	pid_t pid;
	const char *name;   /* "web:8081" */
	const char *cgroup; /* its directory, or "" */
};

/* The note that goes with the socket, newly allocated; NULL: no memory. */
char *kept_notify_print(const struct kept_notify *of);

/* Changes note and points into it; *said, which may be NULL: what follows it there.  -EINVAL. */
int kept_notify_parse(char *note, struct kept_notify *of, const char **said);

/* To KEEPER_GIVES; waits for room.  said: lines NAME=value, or "".  -EPIPE: no lbd asks for it; else -errno. */
int kept_notify_give(int to, const char *note, const char *said, int fd);

/* What a keeper has given. */
struct kept_notifies;

/* One more, from KEEPER_NEXT; false: none is there now.  *list may be NULL before. */
bool kept_notify_receive(int from, struct kept_notifies **list);

/*
 * The socket of that process, which is the caller's from now on, or -1; *said, the caller's to free, or NULL, is
 * there also where no descriptor was left for the socket.  list may be NULL.
 */
int kept_notify_take(struct kept_notifies *list, const char *name, pid_t pid, char **said);

void kept_notify_free(struct kept_notifies *list); /* with what nobody took; takes NULL */

#endif
