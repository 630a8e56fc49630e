// SPDX-License-Identifier: Apache-2.0
#include "static/process/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel's struct landlock_ruleset_attr as of ABI 6: the headers of a distribution are older than
 * the kernels it runs on.  Bits and their ABI: Documentation/userspace-api/landlock.rst.
 */
struct ruleset {
	uint64_t fs, net, scoped;
};

enum {
	FS_ABI1 = (1U << 13) - 1, /* execute .. make symbolic link */
	FS_REFER = 1U << 13,      /* 2 */
	FS_TRUNCATE = 1U << 14,   /* 3 */
	NET_TCP = 3,              /* 4: bind, connect */
	FS_IOCTL = 1U << 15,      /* 5 */
	SCOPED = 3,               /* 6: abstract Unix sockets, signals */
};

static struct ruleset ruleset_of(int abi)
{
	struct ruleset ruleset = {.fs = FS_ABI1};

	if (abi >= 2)
		ruleset.fs |= FS_REFER;
	if (abi >= 3)
		ruleset.fs |= FS_TRUNCATE;
	if (abi >= 4)
		ruleset.net = NET_TCP;
	if (abi >= 5)
		ruleset.fs |= FS_IOCTL;
	if (abi >= 6)
		ruleset.scoped = SCOPED;
	return ruleset;
}

static int allow_directory(int ruleset, int directory, uint64_t access)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = access,
		.parent_fd = directory,
	};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0)
		       ? -errno
		       : 0;
}

static int allow_reading(int ruleset, int directory)
{
	return allow_directory(ruleset, directory,
			       LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
}

/* The access log is opened anew in its directory after a rotation. */
static int allow_log(int ruleset, const char *path)
{
	char directory[PATH_MAX];
	char *slash;
	int fd, err;

	if (!path || !strcmp(path, "stderr") || strlen(path) >= sizeof(directory))
		return 0;
	slash = strrchr(memcpy(directory, path, strlen(path) + 1), '/');
	if (slash)
		slash[slash == directory] = '\0';
	fd = open(slash ? directory : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* EACCES: out of reach of the user that this is now, rule or no rule. */
	if (fd < 0)
		return errno == EACCES ? 0 : -errno;
	err = allow_directory(ruleset, fd,
			      LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG);
	close(fd);
	return err;
}

static int allow_all(int ruleset, const struct site *site)
{
	const struct options *options = site->options;
	int err = allow_reading(ruleset, site->root);

	for (const struct rule *rule = options->rules.first[RULE_ALIAS]; rule && !err;
	     rule = rule->next)
		err = allow_reading(ruleset, rule->directory);
	return err ? err : allow_log(ruleset, options->access_log);
}

int landlock_enter(const struct site *site)
{
	int abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset attributes;
	int ruleset, err;

	if (abi < 0)
		return -errno;
	attributes = ruleset_of(abi);
	/* An older kernel takes a longer struct as long as what it does not know is zero. */
	ruleset = syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0)
		return -errno;
	err = allow_all(ruleset, site);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	close(ruleset);
	return err;
}
