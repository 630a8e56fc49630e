/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_diag(7) as linux/inet_diag.h and linux/sock_diag.h have it.  A dump is asked for once per family:
 * the kernel has no handler for AF_UNSPEC.
 */
#include "host/net/sockets.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "host/net/netlink.h"
#include "host/process/process.h"
#include "host/process/stranger.h"

enum {
	REQUEST_BYTES = 256,
	/* Those that may own socket storage: not TIME_WAIT, nor requests that no ACK has answered. */
	BOUND_INACTIVE = 13, /* TCP_BOUND_INACTIVE; older headers lack it */
	CONNECTION_STATES = 1U << TCP_ESTABLISHED | 1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 |
			    1U << TCP_CLOSE_WAIT | 1U << TCP_LAST_ACK | 1U << TCP_CLOSING,
};

static struct inet_diag_req_v2 *request_init(void *buffer, uint16_t type, uint16_t flags,
					     int family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *req;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_TCP;
	return req;
}

/* Which sockets, and what is to be told of them besides. */
struct wanted {
	uint32_t states;
	uint16_t port;  /* host order; 0: any */
	uint8_t extras; /* bits by INET_DIAG_* - 1 */
	bool storages;  /* those in tags_fd */
	int tags_fd;
};

/* Of both families. */
static int diag_dump(const struct wanted *wanted, mnl_cb_t each, void *arg)
{
	static const int families[] = {AF_INET, AF_INET6};
	char buffer[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = (void *)buffer;
	struct inet_diag_req_v2 *req;
	struct mnl_socket *nl;
	struct nlattr *nest;
	int err = netlink_open(NETLINK_SOCK_DIAG, &nl);

	if (err)
		return err;
	for (size_t i = 0; !err && i < 2; i++) {
		req = request_init(buffer, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, families[i]);
		req->idiag_states = wanted->states;
		req->idiag_ext = wanted->extras;
		req->id.idiag_sport = htons(wanted->port);
		nlh->nlmsg_seq = i + 1;
		if (wanted->storages) {
			nest = mnl_attr_nest_start(nlh, INET_DIAG_REQ_SK_BPF_STORAGES);
			mnl_attr_put_u32(nlh, SK_DIAG_BPF_STORAGE_REQ_MAP_FD, wanted->tags_fd);
			mnl_attr_nest_end(nlh, nest);
		}
		err = netlink_ask(nl, nlh, each, arg);
		/* A kernel without IPv6 has no handler for it, and no such sockets. */
		if (families[i] == AF_INET6 && (err == -ENOENT || err == -EAFNOSUPPORT))
			err = 0;
	}
	mnl_socket_close(nl);
	return err;
}

static struct lb_addr addr_from_diag(const struct inet_diag_msg *msg)
{
	struct lb_addr addr = {0};

	if (msg->idiag_family == AF_INET6) {
		memcpy(addr.bytes, msg->id.idiag_src, sizeof(addr.bytes));
		return addr;
	}
	addr.words[2] = htonl(0xffff); /* v4-mapped */
	addr.words[3] = msg->id.idiag_src[0];
	return addr;
}

static uint64_t cookie_of(const struct inet_diag_msg *msg)
{
	return msg->id.idiag_cookie[0] | (uint64_t)msg->id.idiag_cookie[1] << 32;
}

struct each_listener {
	void (*each)(void *arg, const struct sockets_listener *listener);
	void *arg;
	uint16_t port; /* host order; 0: any */
};

static int on_listener(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	const struct each_listener *each = arg;
	struct sockets_listener listener = {
		.endpoint = {.addr = addr_from_diag(msg),
			     .port = msg->id.idiag_sport,
			     .protocol = IPPROTO_TCP},
		.is_v6 = msg->idiag_family == AF_INET6,
		.inode = msg->idiag_inode,
		.queue = msg->idiag_rqueue,
		.backlog = msg->idiag_wqueue,
		.cookie = cookie_of(msg),
		.uid = msg->idiag_uid,
	};
	const struct nlattr *attr;

	/* Of those that are bound and do not listen the kernel tells all, whatever port was asked for (Linux 6.18). */
	if (each->port && msg->id.idiag_sport != htons(each->port))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*msg))
	{
		if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY)
			listener.v6only = mnl_attr_get_u8(attr);
		else if (mnl_attr_get_type(attr) == INET_DIAG_CGROUP_ID)
			listener.group = mnl_attr_get_u64(attr);
	}
	each->each(each->arg, &listener);
	return MNL_CB_OK;
}

int sockets_each_listener(uint16_t port, void (*each)(void *arg, const struct sockets_listener *),
			  void *arg)
{
	struct each_listener ctx = {each, arg, port};
	struct wanted wanted = {.states = 1U << TCP_LISTEN, .port = port};

	return diag_dump(&wanted, on_listener, &ctx);
}

int sockets_each_on_port(uint16_t port, void (*each)(void *arg, const struct sockets_listener *),
			 void *arg)
{
	struct each_listener ctx = {each, arg, port};
	struct wanted wanted = {.states = CONNECTION_STATES | 1U << TCP_SYN_SENT |
					  1U << TCP_LISTEN | 1U << BOUND_INACTIVE,
				.port = port};

	return diag_dump(&wanted, on_listener, &ctx);
}

struct keys {
	uint64_t cookie; /* of the listener */
	bool are_there;
};

static int on_keys(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct keys *keys = arg;
	const struct nlattr *attr;

	if (cookie_of(msg) != keys->cookie)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*msg))
	{
		if (mnl_attr_get_type(attr) == INET_DIAG_MD5SIG)
			keys->are_there = true;
	}
	return MNL_CB_OK;
}

bool sockets_has_keys(int fd)
{
	struct sockaddr_in6 sa = {0}; /* the port is where sockaddr_in has it */
	socklen_t sa_length = sizeof(sa), cookie_length = sizeof(uint64_t);
	struct wanted wanted = {.states = 1U << TCP_LISTEN, .extras = 1U << (INET_DIAG_INFO - 1)};
	struct keys keys = {0};

	if (getsockname(fd, (struct sockaddr *)&sa, &sa_length) ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &keys.cookie, &cookie_length))
		return false;
	wanted.port = ntohs(sa.sin6_port);
	return !diag_dump(&wanted, on_keys, &keys) && keys.are_there;
}

int sockets_take(const struct sockets_holder *holder, struct sockets_taken *taken)
{
	*taken = (struct sockets_taken){-1, pidfd_open(holder->pid, 0), -1};
	if (taken->pidfd < 0)
		return -errno;
	process_user(holder->pid, &taken->user, NULL);
	taken->fd = stranger_take(taken->pidfd, holder->fd, holder->inode, taken->user);
	if (taken->fd >= 0)
		return 0;
	close(taken->pidfd);
	return taken->fd;
}

void sockets_give_back(const struct sockets_taken *taken)
{
	stranger_give_back(taken->fd, taken->user);
	if (taken->pidfd >= 0)
		close(taken->pidfd);
}

struct connections {
	struct lb_tag tag;
	struct connection {
		uint8_t family;
		struct inet_diag_sockid id;
	} * list;
	size_t count, room;
};

static bool storage_names(const struct nlattr *storages, const struct lb_tag *tag)
{
	const struct nlattr *storage, *attr;
	const struct lb_tag *found;

	mnl_attr_for_each_nested(storage, storages)
	{
		mnl_attr_for_each_nested(attr, storage)
		{
			if (mnl_attr_get_type(attr) != SK_DIAG_BPF_STORAGE_MAP_VALUE ||
			    mnl_attr_get_payload_len(attr) < sizeof(*found))
				continue;
			found = mnl_attr_get_payload(attr);
			if (found->backend == tag->backend && found->generation == tag->generation)
				return true;
		}
	}
	return false;
}

static int on_connection(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct connections *c = arg;
	const struct nlattr *attr;
	bool ours = false;

	mnl_attr_for_each(attr, nlh, sizeof(*msg))
	{
		if (mnl_attr_get_type(attr) == INET_DIAG_SK_BPF_STORAGES)
			ours |= storage_names(attr, &c->tag);
	}
	if (!ours)
		return MNL_CB_OK;
	if (c->count == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		void *list = reallocarray(c->list, room, sizeof(*c->list));

		if (!list)
			return MNL_CB_ERROR; /* errno is ENOMEM */
		c->list = list;
		c->room = room;
	}
	c->list[c->count++] = (struct connection){msg->idiag_family, msg->id};
	return MNL_CB_OK;
}

/* The id's cookie makes sure that it is the very socket that the dump showed. */
static int connection_destroy(struct mnl_socket *nl, const struct connection *connection, int seq)
{
	char buffer[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = (void *)buffer;
	struct inet_diag_req_v2 *req =
		request_init(buffer, SOCK_DESTROY, NLM_F_ACK, connection->family);

	req->idiag_states = ~0U;
	req->id = connection->id;
	nlh->nlmsg_seq = seq;
	return netlink_ask(nl, nlh, NULL, NULL);
}

static int connections_destroy(const struct connections *c)
{
	struct mnl_socket *nl;
	int err, ended = 0;

	if (!c->count)
		return 0;
	err = netlink_open(NETLINK_SOCK_DIAG, &nl);
	for (size_t i = 0; !err && i < c->count; i++) {
		err = connection_destroy(nl, &c->list[i], i + 1);
		if (!err)
			ended++;
		else if (err == -ENOENT) /* closed meanwhile */
			err = 0;
	}
	if (nl)
		mnl_socket_close(nl);
	return err ? err : ended;
}

int sockets_destroy_connections(int tags_fd, uint16_t backend, uint32_t generation)
{
	struct connections c = {.tag = {.backend = backend, .generation = generation}};
	struct wanted wanted = {.states = CONNECTION_STATES, .storages = true, .tags_fd = tags_fd};
	int ret = diag_dump(&wanted, on_connection, &c);

	if (!ret)
		ret = connections_destroy(&c);
	free(c.list);
	return ret;
}
