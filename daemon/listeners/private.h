/* SPDX-License-Identifier: Apache-2.0 */
/* For scan.c, which looks, and take.c, which takes what was found: one look at listening sockets. */
#ifndef LB_LISTENERS_PRIVATE_H
#define LB_LISTENERS_PRIVATE_H

#include "host/net/sockets.h"
#include "model/pool.h"

/* A listener to put into a backend's slot, or (in_place) whose process is to be watched. */
struct capture {
	struct backend *backend;
	struct sockets_listener listener;
	bool is_v6, in_place;
};

/* A socket on a backend's port that is not the backend's. */
struct stranger {
	struct backend *backend;
	struct sockets_listener socket;
};

struct scan {
	struct model *model;
	struct sockets_listener *listeners;
	size_t count, room;
	struct capture *captures;
	size_t capture_count, capture_room;
	bool (*present)[2];         /* by backend id */
	struct stranger *strangers; /* who has a port of a backend that has no listener */
	size_t stranger_count, stranger_room;
	bool anew; /* also those that are in place */
	bool failed;
	int unread; /* -errno: of a slot that could not be read, or emptied; 0: none */
};

/* Room for one more in a list of `count`; false, and the scan has failed: there is no memory. */
bool scan_grow(struct scan *scan, void **list, size_t count, size_t *room, size_t bytes);

void scan_want_capture(struct scan *scan, const struct capture *capture);

/* Who has the port of this backend, which has no listener: to be named. */
void scan_want_stranger(struct scan *scan, struct backend *backend,
			const struct sockets_listener *listener);

/* Nothing else tells of the listener's end: neither the kernel side nor, of a worker, its exit. */
bool scan_needs_holder(const struct backend *backend, bool is_v6, uint32_t inode);

/* Takes all that was found, by one walk through /proc; -errno where nothing could be. */
int scan_take(struct scan *scan);

#endif
