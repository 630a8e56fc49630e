/* SPDX-License-Identifier: Apache-2.0 */
/* Receives what a process says by sd_notify(3): one socket for each worker, by its path. */
#ifndef LB_NOTIFY_H
#define LB_NOTIFY_H

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

/* Removes the path, unless another receiver has it by now; takes NULL. */
void notify_remove(const struct notify *notify, const char *path);

/* Closes, and leaves the path to the next lbd; takes NULL. */
void notify_free(struct notify *notify);

#endif
