/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network and mount namespace for this test alone, with a bpffs of its own: what a test attaches,
 * pins or mounts goes with the process.  To be included after cmocka.h.
 */
#ifndef LB_OWN_NETNS_H
#define LB_OWN_NETNS_H

#include <bpf/bpf.h>
#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

/* Set by own_netns_enter(), for need_privilege(). */
static bool privileged;

/* False where the kernel (or a container) refuses namespaces or BPF: tests skip what needs them. */
static inline bool own_netns_enter(void)
{
	int map;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL))
		return false;
	if (system("ip link set lo up") || mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
		return false;
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 4, 1, NULL);
	if (map < 0)
		return false;
	close(map);
	privileged = true;
	return true;
}

static inline void need_privilege(void)
{
	if (!privileged)
		skip();
}

/* By the shell; fails the test. */
static inline void run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

/* Descriptors of this process, to see that none is left behind. */
static inline int own_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

#endif
