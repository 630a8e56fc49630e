/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/pins/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/name.h"
#include "lb/abi.h"

#define BPFFS "/sys/fs/bpf"

static const char *const kinds[] = {"maps", "links"};

const char *pins_path(char path[PINS_PATH_BYTES], const char *instance, const char *kind,
		      const char *name)
{
	snprintf(path, PINS_PATH_BYTES, BPFFS "/lbd/%s%s%s%s%s", instance, kind ? "/" : "",
		 kind ? kind : "", name ? "/" : "", name ? name : "");
	return path;
}

static int not_permitted(struct error *error, int err, const char *what)
{
	return error_set(error, err,
			 "%s: %s; lbd must run as root, or with CAP_BPF, CAP_NET_ADMIN and "
			 "CAP_SYS_ADMIN, and a container's seccomp profile must allow bpf(2)",
			 what, strerror(-err));
}

static int bpffs_mount(struct error *error)
{
	struct statfs fs;

	if (!statfs(BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (!mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return 0;
	if (errno == EPERM || errno == EACCES)
		return not_permitted(error, -errno, "cannot mount bpffs on " BPFFS);
	return error_set(error, -errno,
			 "cannot mount bpffs on " BPFFS
			 ": %s; the kernel needs CONFIG_BPF_SYSCALL, "
			 "and sysfs must be mounted on /sys",
			 strerror(errno));
}

static int make_directory(const char *path, struct error *error)
{
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	if (errno == EPERM || errno == EACCES)
		return not_permitted(error, -errno, path);
	return error_set(error, -errno, "cannot make the directory %s: %s", path, strerror(errno));
}

static int make_directories(const char *instance, struct error *error)
{
	char path[PINS_PATH_BYTES];
	int err = make_directory(BPFFS "/lbd", error);

	if (!err)
		err = make_directory(pins_path(path, instance, NULL, NULL), error);
	for (size_t i = 0; !err && i < 2; i++)
		err = make_directory(pins_path(path, instance, kinds[i], NULL), error);
	return err;
}

/* -ENOENT: no such pin. */
static int read_version(const char *path, uint32_t *version)
{
	struct lb_meta meta = {0};
	uint32_t key = 0;
	int err, fd = bpf_obj_get(path);

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &key, &meta);
	close(fd);
	*version = meta.abi_version;
	return err;
}

int pins_check(const char *instance, struct error *error)
{
	char path[PINS_PATH_BYTES], directory[PINS_PATH_BYTES];
	uint32_t version = 0;
	int err = read_version(pins_path(path, instance, "maps", "meta"), &version);

	if (err == -EPERM || err == -EACCES)
		return not_permitted(error, err, path);
	if (err && err != -ENOENT)
		return error_set(error, err, "cannot read %s: %s", path, strerror(-err));
	if (!version)
		return 0;
	if (version == LB_ABI_VERSION)
		return 1;
	return error_set(error, -EPROTO,
			 "%s is of ABI version %u, this lbd is of version %u and cannot adopt it; "
			 "`rm -r %s` ends its steering (workers go on), then start again",
			 path, version, LB_ABI_VERSION, pins_path(directory, instance, NULL, NULL));
}

int pins_prepare(const char *instance, struct error *error)
{
	char path[PINS_PATH_BYTES];
	int found, err = name_check_instance(instance, error);

	if (!err)
		err = bpffs_mount(error);
	if (err)
		return err;
	found = pins_check(instance, error);
	if (found < 0)
		return found;
	if (!found) {
		err = pins_remove(instance); /* what an unfinished start or stop left */
		if (err)
			return error_set(error, err,
					 "%s: what an earlier lbd left cannot be removed: %s",
					 pins_path(path, instance, NULL, NULL), strerror(-err));
	}
	/* Also of a whole set: its links may have been removed, and their directory. */
	err = make_directories(instance, error);
	return err ? err : found;
}

int pins_each_link(const char *instance, void (*each)(void *arg, const char *name), void *arg)
{
	char path[PINS_PATH_BYTES];
	struct dirent *entry;
	DIR *dir = opendir(pins_path(path, instance, "links", NULL));

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			each(arg, entry->d_name);
	closedir(dir);
	return 0;
}

static int remove_entries(DIR *dir)
{
	struct dirent *entry;
	int err = 0;

	errno = 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) &&
		    errno != ENOENT && !err)
			err = -errno;
		errno = 0;
	}
	return err ? err : -errno;
}

static int remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	int err;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	err = remove_entries(dir);
	closedir(dir);
	if (!err && rmdir(path) && errno != ENOENT)
		err = -errno;
	return err;
}

int pins_remove(const char *instance)
{
	char path[PINS_PATH_BYTES];
	int err = 0;

	/* Whatever comes now, what is left is no whole set, and the next start removes it. */
	if (unlink(pins_path(path, instance, "maps", "meta")) && errno != ENOENT)
		err = -errno;
	for (size_t i = 0; i < 2; i++) {
		int one = remove_directory(pins_path(path, instance, kinds[i], NULL));

		err = err ? err : one;
	}
	if (!err && rmdir(pins_path(path, instance, NULL, NULL)) && errno != ENOENT)
		err = -errno;
	return err;
}
