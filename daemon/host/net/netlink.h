/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the kernel over netlink (libmnl): a socket, and the answers to one request.  Stateless. */
#ifndef LB_NETLINK_H
#define LB_NETLINK_H

#include <libmnl/libmnl.h>

/* bus: NETLINK_*.  0 or -errno; mnl_socket_close() ends it. */
int netlink_open(int bus, struct mnl_socket **nl);

/*
 * Sends a request and hands its answers to each; until the dump's end, the ACK or an error.  -EINTR: what
 * was dumped changed meanwhile.
 */
int netlink_ask(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t each, void *arg);

#endif
