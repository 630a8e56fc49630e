/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/process/capabilities.h"

/* <sys/mount.h> and <linux/mount.h> exclude one another in some versions. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);

#define BIT(name) (1ULL << (name))

/*
 * SYS_ADMIN remounts, SYS_PTRACE opens /proc/1/root, DAC_READ_SEARCH opens by handle through another mount of
 * the same file system, MKNOD and SYS_RAWIO reach the device below it, SYS_MODULE all.
 */
static const uint64_t past_mounts = BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_PTRACE) |
				    BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_MKNOD) | BIT(CAP_SYS_RAWIO) |
				    BIT(CAP_SYS_MODULE);

void confine_settle(struct confinement *confinement)
{
	bool mounts = confinement->private_tmp || confinement->read_only;

	confinement->withheld = mounts && !confinement->set_capabilities ? past_mounts : 0;
}

static int set_read_only(const char *path)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	return syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof(attr))
		       ? -errno
		       : 0;
}

/* What is no mount point becomes one; the root of all must not, it would hide itself. */
static int make_read_only(const char *path)
{
	int err = set_read_only(path);

	if (err != -EINVAL)
		return err;
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL))
		return -errno;
	return set_read_only(path);
}

static int make_tmp(const char *path)
{
	int err = mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") ? -errno : 0;

	return err == -ENOENT ? 0 : err;
}

/*
 * Ours go nowhere.  The host's still arrive here, but not beside read_only: one could be writable below such a
 * path, or lie over what leads there.  So before anything is made read-only: what came until then is, too.
 */
static int leave_mounts(bool alone)
{
	unsigned long propagation = alone ? MS_PRIVATE : MS_SLAVE;

	return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | propagation, NULL) ? -errno
											  : 0;
}

static const char *const tmp[] = {"/tmp", "/var/tmp"};

bool confine_hides(const struct confinement *confinement, const char *path)
{
	for (unsigned i = 0; confinement->private_tmp && i < 2; i++) {
		size_t length = strlen(tmp[i]);

		if (!strncmp(path, tmp[i], length) && path[length] == '/')
			return true;
	}
	return false;
}

int confine_mounts(const struct confinement *confinement, const char **path)
{
	int err;

	*path = "mount namespace";
	if (!confinement->private_tmp && !confinement->read_only)
		return 0;
	err = leave_mounts(confinement->read_only);
	for (char **at = confinement->read_only; !err && at && *at; at++)
		err = make_read_only(*path = *at);
	for (unsigned i = 0; !err && confinement->private_tmp && i < 2; i++)
		err = make_tmp(*path = tmp[i]);
	return err;
}

int confine_capabilities(const struct confinement *confinement)
{
	int err;

	if (!confinement->set_capabilities)
		return confinement->withheld ? capabilities_bound(~confinement->withheld) : 0;
	err = capabilities_bound(confinement->capabilities);
	return err || !prctl(PR_SET_KEEPCAPS, 1) ? err : -errno;
}

int confine_finish(const struct confinement *confinement)
{
	int err = 0;

	if (confinement->set_capabilities)
		err = capabilities_take(confinement->capabilities);
	if (!err && confinement->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err;
}
