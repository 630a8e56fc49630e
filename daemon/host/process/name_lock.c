/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/name_lock.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REPLY_BYTES = 65536, REQUEST_BYTES = 256 };

static int held = -1;

/* An abstract address without its first byte, a NUL; its text is not ended by one. */
struct found {
	const char *name;
	size_t length;
	uid_t uid;
	uint32_t inode;
	bool may_be_lbd;
};

struct search {
	void (*each)(void *arg, const struct found *found);
	void *arg;
};

/* By root, of that type, and neither connected nor listened on: what a service is given is connected. */
static bool is_as_ours(const struct unix_diag_msg *message, uid_t uid)
{
	return !uid && message->udiag_type == SOCK_STREAM && message->udiag_state == TCP_CLOSE;
}

static int on_socket(const struct nlmsghdr *nlh, void *arg)
{
	const struct unix_diag_msg *message = mnl_nlmsg_get_payload(nlh);
	struct found found = {.inode = message->udiag_ino};
	const struct search *search = arg;
	const struct nlattr *attr;
	bool is_owned = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct unix_diag_msg))
	{
		const char *value = mnl_attr_get_payload(attr);
		size_t length = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == UNIX_DIAG_NAME && length && !*value) {
			found.name = value + 1;
			found.length = length - 1;
		} else if (mnl_attr_get_type(attr) == UNIX_DIAG_UID) {
			found.uid = mnl_attr_get_u32(attr);
			is_owned = true;
		}
	}
	found.may_be_lbd = is_as_ours(message, found.uid);
	if (found.name && is_owned)
		search->each(search->arg, &found);
	return MNL_CB_OK;
}

/* sock_diag(7): unlike a connection's SO_PEERCRED it needs nothing of the holder. */
static int each_socket(struct search *search)
{
	char buffer[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO))), *reply;
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct unix_diag_req *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	ssize_t n = -1;
	int more = MNL_CB_OK;

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
		more = n > 0 ? mnl_cb_run(reply, n, 0, 0, on_socket, search) : MNL_CB_ERROR;
	} while (more > MNL_CB_STOP);
out:
	n = n < 0 || more == MNL_CB_ERROR ? -errno : 0;
	free(reply);
	if (nl)
		mnl_socket_close(nl);
	return (int)n;
}

struct named {
	const char *name;
	struct name_holder *holder;
};

static void note_holder(void *arg, const struct found *found)
{
	const struct named *named = arg;

	if (found->length == strlen(named->name) &&
	    !memcmp(found->name, named->name, found->length))
		*named->holder = (struct name_holder){found->uid, found->inode, found->may_be_lbd};
}

struct below {
	const char *prefix;
	uint32_t *inodes;
	size_t count, room;
	int err;
};

/* Room for one more.  Without a bound: whoever takes many names is not to hide the one that is lbd's. */
static int below_grow(struct below *below)
{
	size_t room = below->room ? below->room * 2 : 16;
	void *more;

	if (below->count < below->room)
		return 0;
	more = reallocarray(below->inodes, room, sizeof(*below->inodes));
	if (!more)
		return below->err = -ENOMEM;
	below->inodes = more;
	below->room = room;
	return 0;
}

static void note_below(void *arg, const struct found *found)
{
	struct below *below = arg;
	size_t length = strlen(below->prefix);

	if (found->may_be_lbd && found->length > length &&
	    !memcmp(found->name, below->prefix, length) && !below_grow(below))
		below->inodes[below->count++] = found->inode;
}

int name_find(const char *prefix, uint32_t **inodes)
{
	struct below below = {.prefix = prefix};
	int err = each_socket(&(struct search){note_below, &below});

	if (!err)
		err = below.err;
	if (err)
		free(below.inodes);
	*inodes = err ? NULL : below.inodes;
	return err ? err : (int)below.count;
}

int name_lock(const char *name, struct name_holder *holder)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int err, fd,
		length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name);
	struct named named = {name, holder};

	if (length >= (int)sizeof(address.sun_path) - 1)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&address,
		  offsetof(struct sockaddr_un, sun_path) + 1 + length))
		return fd;
	err = -errno;
	close(fd);
	*holder = (struct name_holder){.may_be_lbd = true};
	if (err == -EADDRINUSE)
		each_socket(&(struct search){note_holder, &named});
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
