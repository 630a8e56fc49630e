/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network and mount namespace for this test alone, with a bpffs of its own: what a test attaches,
 * pins or mounts goes with the process.
 */
#ifndef LB_OWN_NETNS_H
#define LB_OWN_NETNS_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

static inline bool own_netns_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	return !system("ip link set lo up") && !mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700");
}

#endif
