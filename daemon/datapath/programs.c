/* SPDX-License-Identifier: Apache-2.0 */
/* Loading the BPF programs into this kernel; and, where it refuses them, what is to be done. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "datapath/internal.h"
#include "host/process/inspect.h"

enum { OLDEST_MAJOR = 6, OLDEST_MINOR = 1 };

int programs_check_btf(struct error *error)
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

int programs_load(struct datapath *dp, struct error *error)
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
