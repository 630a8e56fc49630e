/* SPDX-License-Identifier: Apache-2.0 */
#include "name_lock.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REPLY_BYTES = 65536, REQUEST_BYTES = 256 };

static int held = -1;

struct search {
	const char *name; /* its first byte is the NUL of an abstract one */
	size_t length;
	struct name_holder *holder;
};

static int on_socket(const struct nlmsghdr *nlh, void *arg)
{
	const struct search *search = arg;
	const struct nlattr *attr;
	const uint32_t *uid = NULL;
	bool same = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct unix_diag_msg))
	{
		if (mnl_attr_get_type(attr) == UNIX_DIAG_NAME)
			same = mnl_attr_get_payload_len(attr) == search->length &&
			       !memcmp(mnl_attr_get_payload(attr), search->name, search->length);
		else if (mnl_attr_get_type(attr) == UNIX_DIAG_UID)
			uid = mnl_attr_get_payload(attr);
	}
	if (same && uid) {
		const struct unix_diag_msg *message = mnl_nlmsg_get_payload(nlh);

		*search->holder = (struct name_holder){*uid, message->udiag_ino};
	}
	return MNL_CB_OK;
}

/* sock_diag(7): unlike a connection's SO_PEERCRED it needs nothing of the holder. */
static void find_holder(struct search *search)
{
	char buffer[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO))), *reply;
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct unix_diag_req *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	ssize_t n;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	req->sdiag_family = AF_UNIX;
	req->udiag_states = UINT32_MAX;
	req->udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_UID;
	reply = malloc(REPLY_BYTES);
	if (!nl || !reply || mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		goto out;
	do {
		n = mnl_socket_recvfrom(nl, reply, REPLY_BYTES);
	} while (n > 0 && mnl_cb_run(reply, n, 0, 0, on_socket, search) > MNL_CB_STOP);
out:
	free(reply);
	if (nl)
		mnl_socket_close(nl);
}

int name_lock(const char *name, struct name_holder *holder)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int err, fd,
		length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name);
	struct search search = {address.sun_path, (size_t)length + 1, holder};

	if (length >= (int)sizeof(address.sun_path) - 1)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&address,
		  offsetof(struct sockaddr_un, sun_path) + search.length))
		return fd;
	err = -errno;
	close(fd);
	*holder = (struct name_holder){0};
	if (err == -EADDRINUSE)
		find_holder(&search);
	return err;
}

void name_lock_hold(int fd)
{
	held = fd;
}

void name_lock_after_fork(void)
{
	if (held >= 0)
		close(held);
	held = -1;
}
