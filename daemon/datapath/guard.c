/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard on control groups: links pinned as links/guard_N, N the group's number, which is never given out
 * again.  There is more than one where an lbd was started in another group than the one before, whose
 * workers it has taken back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "datapath/internal.h"
#include "host/cgroup/cgroup.h"

#define PREFIX "guard_"

enum { PIN_NAME_BYTES = sizeof(PREFIX) + 20 };

/* A "misc" device: /proc/misc has its minor number.  From Linux 6.1 on; before there is none to refuse. */
void guard_prepare(struct datapath *dp)
{
	FILE *file = fopen("/proc/misc", "re");
	char name[32];
	unsigned minor;

	while (file && fscanf(file, "%u %31s", &minor, name) == 2)
		if (!strcmp(name, "userfaultfd"))
			dp->skel->rodata->userfaultfd_minor = minor;
	if (file)
		fclose(file);
}

static const char *pin_name(char out[PIN_NAME_BYTES], uint64_t group)
{
	snprintf(out, PIN_NAME_BYTES, PREFIX "%" PRIu64, group);
	return out;
}

static bool is_guard(const char *name)
{
	return !strncmp(name, PREFIX, strlen(PREFIX));
}

/* The new program, also in groups of before; a group that is gone takes its pin along. */
static void renew_guard(void *arg, const char *name)
{
	struct datapath *dp = arg;
	int link = is_guard(name) ? link_adopt(dp, name, dp->skel->progs.guard) : -ENOENT;

	if (link >= 0)
		close(link);
}

static int attach_guard(struct datapath *dp, const char *cgroup)
{
	const struct bpf_program *program = dp->skel->progs.guard;
	char name[PIN_NAME_BYTES];
	int dir = cgroup_open(cgroup);

	if (dir < 0)
		return dir;
	pin_name(name, cgroup_id(cgroup));
	dp->guard = link_adopt(dp, name, program);
	if (dp->guard == -ENOENT)
		dp->guard = link_make(dp, name, program, dir, BPF_CGROUP_DEVICE);
	close(dir);
	return dp->guard < 0 ? dp->guard : 0;
}

int datapath_guard(struct datapath *dp, const char *cgroup, struct error *error)
{
	int err;

	pins_each_link(dp->instance, renew_guard, dp);
	err = attach_guard(dp, cgroup);
	if (!err)
		return 0;
	return error_set(error, err,
			 "/dev/fuse and /dev/userfaultfd are not refused to workers: control group "
			 "%s: %s; a hostile "
			 "one can hold lbd up by a file system or page faults of its own, see "
			 "SECURITY in lbd(8)",
			 cgroup, strerror(-err));
}

static void detach_guard(void *arg, const char *name)
{
	const struct datapath *dp = arg;
	char path[PINS_PATH_BYTES];
	int link = is_guard(name) ? bpf_obj_get(pins_path(path, dp->instance, "links", name)) : -1;

	if (link < 0)
		return;
	bpf_link_detach(link);
	close(link);
}

void guard_detach_all(struct datapath *dp)
{
	pins_each_link(dp->instance, detach_guard, dp);
	if (dp->guard >= 0)
		bpf_link_detach(dp->guard); /* also where its pin was removed */
}
