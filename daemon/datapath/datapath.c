/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing: pins, and the links of which there is one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "datapath/internal.h"
#include "host/cgroup/cgroup.h"

/* Is the link's namespace another than ours?  Returns that one's inode, or 0. */
static uint32_t other_netns(const struct datapath *dp, int netns)
{
	char path[PINS_PATH_BYTES];
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info), other = 0;
	struct stat st;
	int link = bpf_obj_get(pins_path(path, dp->instance, "links", "steer"));

	if (link < 0)
		return 0;
	if (!bpf_obj_get_info_by_fd(link, &info, &length) && !fstat(netns, &st) &&
	    info.netns.netns_ino != st.st_ino)
		other = info.netns.netns_ino;
	close(link);
	return other;
}

static int attach_steer(struct datapath *dp, struct error *error)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	uint32_t other;
	int err = 0;

	if (netns < 0)
		return error_set(error, -errno, "/proc/self/ns/net: %s", strerror(errno));
	other = other_netns(dp, netns);
	if (other) {
		err = error_set(
			error, -EEXIST,
			"instance %s steers another network namespace (net:[%u]); start this "
			"lbd with another name, `lbd -n NAME`",
			dp->instance, other);
		goto out;
	}
	dp->steer = link_adopt(dp, "steer", dp->skel->progs.steer);
	dp->served_on = dp->adopted && dp->steer >= 0;
	/* DANGER: what was served elsewhere may be another's here, who would lose its clients at once. */
	if (dp->steer == -ENOENT)
		dp->steer = maps_forget_services(dp);
	if (!dp->steer)
		dp->steer = link_make(dp, "steer", dp->skel->progs.steer, netns, BPF_SK_LOOKUP);
	if (dp->steer < 0)
		err = error_set(error, dp->steer,
				"cannot attach steer to the network namespace: %s; lbd needs Linux "
				"5.9 or later with CONFIG_BPF_SYSCALL and CONFIG_INET",
				strerror(-dp->steer));
out:
	close(netns);
	return err;
}

/* Without track lbd is poorer, but of use. */
static void attach_track(struct datapath *dp)
{
	const char *why =
		"cgroup v2 is not mounted (`mount -t cgroup2 none /sys/fs/cgroup/unified`)";
	char root[PATH_MAX];
	int cgroup;

	dp->track = link_adopt(dp, "track", dp->skel->progs.track);
	if (dp->track != -ENOENT)
		goto out;
	cgroup = cgroup_root(root) ? -ENOENT : cgroup_open(root);
	if (cgroup < 0)
		goto out;
	dp->track = link_make(dp, "track", dp->skel->progs.track, cgroup, BPF_CGROUP_SOCK_OPS);
	close(cgroup);
out:
	if (dp->track >= 0)
		return;
	if (dp->track != -ENOENT)
		why = strerror(-dp->track);
	log_warning(
		"connections are not tracked: %s; listeners are found by looking for them, not at "
		"listen(2), open connections are not counted, and least_load sees accept queues "
		"only",
		why);
}

/* Last of all: from here on the pins are a whole set. */
static int write_version(struct datapath *dp)
{
	struct lb_meta meta = {.abi_version = LB_ABI_VERSION};
	uint32_t key = 0;

	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.meta), &key, &meta, BPF_ANY);
}

static int on_event(void *arg, void *data, size_t size)
{
	struct datapath *dp = arg;

	if (size >= sizeof(struct lb_event))
		dp->event(dp->event_arg, data);
	return 0;
}

static int open_rest(struct datapath *dp, struct error *error)
{
	int err;

	attach_track(dp);
	dp->events = ring_buffer__new(bpf_map__fd(dp->skel->maps.events), on_event, dp, NULL);
	err = dp->events ? maps_open(dp) : -errno;
	if (!err)
		err = sinks_open(dp);
	if (!err)
		err = write_version(dp);
	return err ? error_set(error, err, "cannot prepare the maps: %s", strerror(-err)) : 0;
}

int datapath_try(const char *instance, struct error *error)
{
	struct datapath dp = {.trial = true};
	int err = programs_check_btf(error);

	snprintf(dp.instance, sizeof(dp.instance), "%s", instance);
	if (!err)
		err = pins_check(instance, error);
	if (err >= 0)
		err = programs_load(&dp, error);
	if (dp.skel)
		lb__destroy(dp.skel);
	return err;
}

int datapath_open(const char *instance, struct datapath **out, struct error *error)
{
	struct datapath *dp = calloc(1, sizeof(*dp));
	int err;

	if (!dp)
		return error_set(error, -ENOMEM, "out of memory");
	dp->steer = dp->track = dp->guard = dp->sinks[0] = dp->sinks[1] = -1;
	snprintf(dp->instance, sizeof(dp->instance), "%s", instance);
	err = programs_check_btf(error);
	if (!err)
		err = pins_prepare(instance, error);
	dp->adopted = err > 0;
	if (err >= 0)
		err = programs_load(dp, error);
	if (!err) {
		err = seed_open(dp);
		if (err)
			error_set(error, err, "cannot draw a random seed: %s", strerror(-err));
	}
	if (!err)
		err = attach_steer(dp, error);
	if (!err)
		err = xdp_adopt(dp, error);
	if (!err)
		err = open_rest(dp, error);
	if (!err) {
		*out = dp;
		return 0;
	}
	if (dp->adopted || !dp->skel)
		datapath_close(dp);
	else
		datapath_destroy(dp);
	return err;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void datapath_close(struct datapath *dp)
{
	if (!dp)
		return;
	sinks_close(dp);
	xdp_close(dp);
	close_fd(dp->guard);
	close_fd(dp->track);
	close_fd(dp->steer);
	ring_buffer__free(dp->events);
	rings_close(dp);
	maps_close(dp);
	lb__destroy(dp->skel);
	free(dp);
}

int datapath_destroy(struct datapath *dp)
{
	char instance[sizeof(dp->instance)];
	int err;

	if (!dp)
		return 0;
	/* Detached now: what an unlinked pin and the last descriptor do, they do later. */
	xdp_detach_all(dp);
	guard_detach_all(dp);
	if (dp->track >= 0)
		bpf_link_detach(dp->track);
	if (dp->steer >= 0)
		bpf_link_detach(dp->steer);
	memcpy(instance, dp->instance, sizeof(instance));
	err = pins_remove(instance);
	datapath_close(dp);
	/* What lacked descriptors has them now. */
	return err ? pins_remove(instance) : 0;
}

const char *datapath_instance(const struct datapath *dp)
{
	return dp->instance;
}

bool datapath_adopted(const struct datapath *dp)
{
	return dp->adopted;
}

bool datapath_served_on(const struct datapath *dp)
{
	return dp->served_on;
}

bool datapath_tracks(const struct datapath *dp)
{
	return dp->track >= 0;
}

int datapath_events_fd(const struct datapath *dp)
{
	return ring_buffer__epoll_fd(dp->events);
}

int datapath_read_events(struct datapath *dp, void (*event)(void *arg, const struct lb_event *),
			 void *arg)
{
	int ret;

	dp->event = event;
	dp->event_arg = arg;
	ret = ring_buffer__consume(dp->events);
	return ret < 0 ? ret : 0;
}
