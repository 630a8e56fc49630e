/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "host/net/netlink.h"

enum { REQUEST_BYTES = 256, V4_MAPPED_BITS = 96 };

struct each_route {
	void (*each)(void *arg, const struct lb_local_key *key);
	void *arg;
};

static bool is_own(const struct rtmsg *route)
{
	return route->rtm_table == RT_TABLE_LOCAL &&
	       (route->rtm_type == RTN_LOCAL || route->rtm_type == RTN_ANYCAST);
}

/* Without a destination it is the route to all of them. */
static void read_destination(const struct nlattr *attr, bool is_v6, struct lb_addr *addr)
{
	if (!attr)
		return;
	if (is_v6 && mnl_attr_get_payload_len(attr) == sizeof(addr->bytes))
		memcpy(addr->bytes, mnl_attr_get_payload(attr), sizeof(addr->bytes));
	else if (!is_v6 && mnl_attr_get_payload_len(attr) == sizeof(addr->words[3]))
		memcpy(&addr->words[3], mnl_attr_get_payload(attr), sizeof(addr->words[3]));
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
	const struct each_route *each = arg;
	struct lb_local_key key = {.prefix_bits = route->rtm_dst_len};
	bool is_v6 = route->rtm_family == AF_INET6;
	const struct nlattr *attr, *destination = NULL;

	if (!is_own(route) || (!is_v6 && route->rtm_family != AF_INET))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*route))
	{
		if (mnl_attr_get_type(attr) == RTA_DST)
			destination = attr;
	}
	addr_any(is_v6, &key.addr);
	if (!is_v6)
		key.prefix_bits += V4_MAPPED_BITS;
	read_destination(destination, is_v6, &key.addr);
	each->each(each->arg, &key);
	return MNL_CB_OK;
}

/* Strict: the kernel looks through the one table, however many routes the others have. */
static int dump_table(struct mnl_socket *nl, uint8_t family, unsigned seq, struct each_route *each)
{
	char buffer[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;
	int one = 1;

	mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	route->rtm_family = family;
	route->rtm_table = RT_TABLE_LOCAL;
	return netlink_ask(nl, nlh, on_route, each);
}

int routes_each_local(void (*each)(void *arg, const struct lb_local_key *), void *arg)
{
	struct each_route ctx = {each, arg};
	struct mnl_socket *nl;
	int err = netlink_open(NETLINK_ROUTE, &nl);

	if (err)
		return err;
	err = dump_table(nl, AF_INET, 1, &ctx);
	if (!err)
		err = dump_table(nl, AF_INET6, 2, &ctx);
	if (err == -EOPNOTSUPP || err == -EAFNOSUPPORT) /* a kernel without IPv6 */
		err = 0;
	mnl_socket_close(nl);
	return err;
}

/* A router's other routes come and go by the thousand. */
static int filter_routes(int fd)
{
	enum { TABLE = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_table) };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TABLE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_TABLE_LOCAL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int routes_watch(void)
{
	struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
				     .nl_groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
	int err, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (!filter_routes(fd) && !bind(fd, (struct sockaddr *)&groups, sizeof(groups)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* What is received needs no parsing, nor what was lost (ENOBUFS). */
void routes_watched(int fd)
{
	char some;

	while (recv(fd, &some, sizeof(some), 0) >= 0 || errno == ENOBUFS || errno == EINTR)
		;
}
