/* SPDX-License-Identifier: Apache-2.0 */
/* Receives what a process says by sd_notify(3): one socket for each worker, by its path. */
#ifndef LB_NOTIFY_H
#define LB_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct notify;

/*
 * Binds path (which it replaces, so that a worker that outlived an lbd reaches the next one), for user and root
 * alone, and calls message for each line NAME=value with the sender's pid as the kernel knows it.  The callback
 * may free the receiver.  -ENAMETOOLONG: longer than a socket's path may be.
 */
int notify_new(sd_event *event, const char *path, uid_t user,
	       void (*message)(void *arg, pid_t sender, const char *name, const char *value),
	       void *arg, struct notify **out);

/*
 * The same of a socket that is there; takes fd over unless it fails.  -ESTALE: it is none that was bound to path, or
 * path is no more; path NULL: it is known to be one.
 */
int notify_adopt(sd_event *event, int fd, const char *path, uid_t user,
		 void (*message)(void *arg, pid_t sender, const char *name, const char *value),
		 void *arg, struct notify **out);

/* Whether sender is that process, or in its group: its control group, or (cgroup NULL or "") its session. */
bool notify_is_of(pid_t pid, const char *cgroup, pid_t sender);

/* Calls message for each line that came another way, as if it had come by the socket. */
void notify_replay(struct notify *notify, pid_t sender, char *text,
		   void (*message)(void *arg, pid_t sender, const char *name, const char *value));

int notify_fd(const struct notify *notify); /* stays its own */

/* Removes the path, unless another receiver has it by now; takes NULL. */
void notify_remove(const struct notify *notify, const char *path);

/* Closes, and leaves the path to the next lbd; takes NULL. */
void notify_free(struct notify *notify);

/* The same where another process has the socket, too, and goes on with it. */
void notify_leave(struct notify *notify);

/* The descriptor, which is the caller's from now on.  Not from within a callback. */
int notify_release(struct notify *notify);

#endif
