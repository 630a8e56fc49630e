/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sinks: listeners that discard what they get, for steer to drop by (see LB_SINK).  They end with lbd;
 * until the next one steer refuses instead of dropping, and ingress goes on dropping.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath_internal.h"

/* Discards from before the first segment: the filter is there before listen(2). */
static int discard(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {1, &drop};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* Also where loopback is down, or has no address. */
static int bind_loopback(int fd, int family)
{
	int one = 1;
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	if (family == AF_INET)
		return setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) ||
		       bind(fd, (void *)&v4, sizeof(v4));
	return setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)) ||
	       bind(fd, (void *)&v6, sizeof(v6));
}

static int sink_open(struct datapath *dp, int family)
{
	uint32_t key = LB_SINK(family == AF_INET6);
	int err, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t value = fd;

	if (fd < 0)
		return -errno;
	if (bind_loopback(fd, family) || discard(fd) || listen(fd, 1))
		err = -errno;
	else
		err = bpf_map_update_elem(bpf_map__fd(dp->skel->maps.listeners), &key, &value,
					  BPF_ANY);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int sinks_open(struct datapath *dp)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (int i = 0; i < 2; i++) {
		dp->sinks[i] = sink_open(dp, families[i]);
		if (dp->sinks[i] < 0 && dp->sinks[i] != -EAFNOSUPPORT)
			return dp->sinks[i];
	}
	return 0;
}

void sinks_close(struct datapath *dp)
{
	for (int i = 0; i < 2; i++)
		if (dp->sinks[i] >= 0)
			close(dp->sinks[i]);
}
