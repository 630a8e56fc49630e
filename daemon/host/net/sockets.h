/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP sockets of this network namespace as sock_diag(7) shows them (libmnl), and taking or ending
 * them.  Stateless.
 */
#ifndef LB_SOCKETS_H
#define LB_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lb/abi.h"

struct sockets_listener {
	struct lb_endpoint endpoint; /* what it is bound to */
	bool is_v6, v6only;
	uint32_t inode;
	uint32_t queue, backlog; /* accept queue: connections in it, and its limit */
	uint64_t cookie;
	uid_t uid;      /* who made it */
	uint64_t group; /* control group (v2) in which it was made, see cgroup_id(); 0: not known */
};

/* Calls each for every listening TCP socket, of both families.  port 0: all; else host order. */
int sockets_each_listener(uint16_t port, void (*each)(void *arg, const struct sockets_listener *),
			  void *arg);

/*
 * The same for every socket that has this local port, whatever its state: also those that connect from
 * it, and, from Linux 6.8 on, those that are bound to it and no more.
 */
int sockets_each_on_port(uint16_t port, void (*each)(void *arg, const struct sockets_listener *),
			 void *arg);

/*
 * Has this listener of ours a key of TCP_MD5SIG (tcp(7))?  getsockopt(2) does not tell.  False: not to be known now,
 * too.
 */
bool sockets_has_keys(int fd);

struct sockets_holder {
	pid_t pid;
	pid_t thread;      /* of that process: in whose descriptor table it is, */
	int fd;            /* and by what number */
	uint32_t inode;    /* of the socket; sockets_take() checks it */
	pid_t session;     /* asked for: a process of this session; 0: any */
	bool no_copy;      /* asked for: no child of ours that has not come to its program */
	uid_t user;        /* looked at before others, as root is: who made the socket, say */
	const char *group; /* NULL, or a directory, see cgroup.h: looked at first of all */
	char comm[16];     /* printable */
};

/* Danger: its process has it, too, and may do anything with it: sockets_give_back() and never close(2). */
struct sockets_taken {
	int fd;     /* of our own (pidfd_getfd(2)) */
	int pidfd;  /* of its process */
	uid_t user; /* of its process */
};

/*
 * Finds a process that holds each socket: fills holders[i] for inodes[i] (pid 0: none found, for
 * example in another pid namespace).  Of holders[i] it reads what is asked for, `user` and `group`.  One walk through
 * /proc whatever the count, and none where control groups have them all.  Of one group, session or user it looks at no
 * more than some 32768 descriptors, or at room for 1 Mi and what the last table has besides (see inspect.h), so that
 * who holds more may not be found, but hides nobody else; of all users together at 32 times that, and at as much of
 * those named by `user`.
 */
int sockets_find_holders(const uint32_t *inodes, size_t count, struct sockets_holder *holders);

/* The same among those processes alone for which may_be holds. */
int sockets_find_holders_among(bool (*may_be)(pid_t pid), const uint32_t *inodes, size_t count,
			       struct sockets_holder *holders);

/*
 * Takes the socket of that process; -ESTALE when it is not that socket any more, -EBUSY when its user holds up
 * our closes (stranger.h), else -errno.  Ends with stranger_flush(), in any case.
 */
int sockets_take(const struct sockets_holder *holder, struct sockets_taken *taken);

/* Of the pidfd, too, unless the caller has taken that and left -1. */
void sockets_give_back(const struct sockets_taken *taken);

/*
 * Ends (SOCK_DESTROY) every connection whose socket storage in tags_fd names this backend and
 * generation.  Returns how many, or -errno.
 */
int sockets_destroy_connections(int tags_fd, uint16_t backend, uint32_t generation);

#endif
