// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * guard: cgroup_device, on the control group of an instance's workers, checks and hooks.  Refuses them
 * /dev/fuse, /dev/cuse and /dev/userfaultfd, but for workers that may have them: who serves a file system, or
 * page faults, decides how long a page fault, a read or a flush lasts, and so how long a lock of the kernel is
 * held that lbd needs.
 *
 * It runs when a device is opened or made, not when it is used.  Other programs on the group, or above
 * it, refuse what they refuse: who is refused by one is refused.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <linux/major.h>
#include <stdbool.h>

#include "maps.h"

enum {
	GUARD_FUSE_MINOR = 229, /* kernel doc admin-guide/devices.txt */
	GUARD_CUSE_MINOR = 203,
	GUARD_NO_MINOR = -1,

	GUARD_REFUSE = 0,
	GUARD_ALLOW = 1,
};

/* Of /dev/userfaultfd, which has another on each host. */
const volatile __u32 userfaultfd_minor = GUARD_NO_MINOR;

/* By its number, as a node may have any name. */
static __always_inline bool guard_opens(const struct bpf_cgroup_dev_ctx *ctx)
{
	__u32 type = ctx->access_type & 0xffff, access = ctx->access_type >> 16;

	return type == BPF_DEVCG_DEV_CHAR && ctx->major == MISC_MAJOR &&
	       (ctx->minor == GUARD_FUSE_MINOR || ctx->minor == GUARD_CUSE_MINOR ||
		ctx->minor == userfaultfd_minor) &&
	       access & (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE);
}

/* A group that the worker makes below its own has no exception: Linux 6.1 tells of no groups above here. */
static __always_inline bool guard_may_fuse(void)
{
	__u64 id = bpf_get_current_cgroup_id();
	struct lb_worker *worker = bpf_map_lookup_elem(&workers, &id);

	return worker && worker->flags & LB_WORKER_FUSE;
}

SEC("cgroup/dev")
int guard(struct bpf_cgroup_dev_ctx *ctx)
{
	if (!guard_opens(ctx) || guard_may_fuse())
		return GUARD_ALLOW;
	return GUARD_REFUSE;
}

char _license[] SEC("license") = "GPL";
