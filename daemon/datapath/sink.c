/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sinks: listeners that discard what they get, for steer to drop by (see LB_SINK).  They end with lbd;
 * until the next one steer refuses instead of dropping, and ingress goes on dropping.
 *
 * A listener has a port, and there is none that a worker, or any other program, might not want: so they
 * are in a network namespace of their own, which is there for as long as they are.  A program of sk_lookup
 * may choose a socket of another namespace (see bpf_sk_assign in bpf-helpers(7), which names no such
 * error for it).
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "datapath/internal.h"

enum { FAMILIES = 2 };

struct sinks {
	int fds[FAMILIES]; /* by is_v6; -1: none */
	int err;
	bool is_apart;
};

/* Discards from before the first segment: the filter is there before listen(2). */
static int discard_segments(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {1, &drop};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* On whatever port: listen(2) takes one.  A kernel without the family has no use for its sink. */
static int open_one(int family, int *out)
{
	int err, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	if (discard_segments(fd) || listen(fd, 1)) {
		err = -errno;
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

/* A thread: its namespace is its own, its descriptors are lbd's.  lbd itself never leaves where it is. */
static void *open_apart(void *arg)
{
	static const int families[FAMILIES] = {AF_INET, AF_INET6};
	struct sinks *sinks = arg;

	sinks->is_apart = !unshare(CLONE_NEWNET);
	sinks->err = sinks->is_apart ? 0 : -errno;
	for (int i = 0; i < FAMILIES && !sinks->err; i++)
		sinks->err = open_one(families[i], &sinks->fds[i]);
	return NULL;
}

static int publish_sink(struct datapath *dp, int is_v6)
{
	uint32_t key = LB_SINK(is_v6);
	uint64_t value = dp->sinks[is_v6];

	return dp->sinks[is_v6] < 0 ? 0
				    : bpf_map_update_elem(bpf_map__fd(dp->skel->maps.listeners),
							  &key, &value, BPF_ANY);
}

int sinks_open(struct datapath *dp)
{
	struct sinks sinks = {.fds = {-1, -1}};
	pthread_t thread;
	int err = -pthread_create(&thread, NULL, open_apart, &sinks);

	if (err)
		return err;
	pthread_join(thread, NULL);
	memcpy(dp->sinks, sinks.fds, sizeof(dp->sinks));
	if (!sinks.is_apart) {
		log_warning("cannot make a network namespace: %s; clients of a pool that is full, "
			    "or has nobody up yet, are refused instead of made to wait",
			    strerror(-sinks.err));
		return 0;
	}
	err = sinks.err;
	for (int i = 0; i < FAMILIES && !err; i++)
		err = publish_sink(dp, i);
	return err;
}

void sinks_close(struct datapath *dp)
{
	for (int i = 0; i < FAMILIES; i++)
		if (dp->sinks[i] >= 0)
			close(dp->sinks[i]);
}
