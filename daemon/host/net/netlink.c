/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { REPLY_BYTES = 65536 };

int netlink_open(int bus, struct mnl_socket **nl)
{
	*nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!*nl)
		return -errno;
	if (mnl_socket_bind(*nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = -errno;

		mnl_socket_close(*nl);
		*nl = NULL;
		return err;
	}
	return 0;
}

int netlink_ask(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t each, void *arg)
{
	unsigned int port = mnl_socket_get_portid(nl);
	char *reply;
	ssize_t n;
	int ret;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	reply = malloc(REPLY_BYTES);
	if (!reply)
		return -ENOMEM;
	do {
		n = mnl_socket_recvfrom(nl, reply, REPLY_BYTES);
		ret = n < 0 ? -1 : mnl_cb_run(reply, n, nlh->nlmsg_seq, port, each, arg);
	} while (ret > 0);
	ret = ret < 0 ? -errno : 0;
	free(reply);
	return ret;
}
