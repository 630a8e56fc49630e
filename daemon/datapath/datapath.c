/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing: programs, pins, and the links of which there is one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "datapath/internal.h"
#include "host/cgroup/cgroup.h"
#include "host/process/inspect.h"

enum { OLDEST_MAJOR = 6, OLDEST_MINOR = 1 };

static int check_btf(struct error *error)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK))
		return 0;
	return error_set(error, -ENOENT,
			 "/sys/kernel/btf/vmlinux: %s; lbd needs a kernel built with "
			 "CONFIG_DEBUG_INFO_BTF=y (as those of Debian, Ubuntu and Fedora are)",
			 strerror(errno));
}

static int netns_cookie(uint64_t *cookie)
{
	socklen_t length = sizeof(*cookie);
	int err = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &length))
		err = -errno;
	close(fd);
	return err;
}

/* The kernel's HZ: its coarse clocks move once a tick. */
static uint32_t jiffies_per_second(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec || !tick.tv_nsec)
		return 1000;
	return (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec;
}

/* Every map but those of constants, which belong to one load of the programs. */
static int set_pin_paths(struct datapath *dp)
{
	char path[PINS_PATH_BYTES];
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (bpf_map__is_internal(map))
			continue;
		pins_path(path, dp->instance, "maps", bpf_map__name(map));
		if (dp->trial && access(path, F_OK))
			continue; /* one that is new: it would be pinned */
		err = bpf_map__set_pin_path(map, path);
		if (err)
			break;
	}
	return err;
}

/* Older than any that is tested; it lacks helpers (bpf_loop, bpf_xdp_get_buff_len) up to 5.18. */
static bool kernel_is_old(struct utsname *kernel)
{
	int major, minor;

	if (uname(kernel) || sscanf(kernel->release, "%d.%d", &major, &minor) != 2)
		return false;
	return major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR);
}

static int load_failed(const struct datapath *dp, struct error *error, int err)
{
	char path[PINS_PATH_BYTES];
	const char *said = libbpf_captured();
	struct utsname kernel;

	if (err == -EPERM) /* the verifier's refusals are others */
		return error_set(
			error, err,
			"cannot load the BPF programs: %s; lbd must run as root, or with "
			"CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN, and a container's seccomp "
			"profile must allow bpf(2)",
			strerror(-err));
	if (strstr(said, "reuse pinned map"))
		return error_set(error, err,
				 "cannot adopt the pinned maps: %s; `rm -r %s` ends their steering "
				 "(workers go on), then start again",
				 said, pins_path(path, dp->instance, NULL, NULL));
	if (kernel_is_old(&kernel))
		return error_set(
			error, err,
			"cannot load the BPF programs: %s; lbd needs Linux %d.%d or later, "
			"this is %s (%s)",
			strerror(-err), OLDEST_MAJOR, OLDEST_MINOR, kernel.release, said);
	return error_set(error, err, "cannot load the BPF programs: %s (%s)", strerror(-err), said);
}

static int load(struct datapath *dp, struct error *error)
{
	uint64_t cookie = 0;
	int err;

	libbpf_capture();
	dp->skel = lb__open();
	if (!dp->skel)
		return load_failed(dp, error, -errno);
	err = netns_cookie(&cookie);
	if (err)
		return error_set(error, err, "SO_NETNS_COOKIE: %s%s", strerror(-err),
				 err == -ENOPROTOOPT ? "; lbd needs Linux 5.14 or later" : "");
	dp->skel->rodata->netns_cookie = cookie;
	dp->skel->rodata->jiffies_per_second = jiffies_per_second();
	guard_prepare(dp);
	rings_prepare(dp);
	err = set_pin_paths(dp);
	if (!err)
		err = lb__load(dp->skel);
	if (!err)
		err = inspect_load();
	return err ? load_failed(dp, error, err) : 0;
}

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
	int err = check_btf(error);

	snprintf(dp.instance, sizeof(dp.instance), "%s", instance);
	if (!err)
		err = pins_check(instance, error);
	if (err >= 0)
		err = load(&dp, error);
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
	err = check_btf(error);
	if (!err)
		err = pins_prepare(instance, error);
	dp->adopted = err > 0;
	if (err >= 0)
		err = load(dp, error);
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
