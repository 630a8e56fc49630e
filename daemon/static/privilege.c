// SPDX-License-Identifier: Apache-2.0
#include "privilege.h"

#include "landlock.h"
#include "syscalls.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/* With a user alone, its own groups; with a group too, that one alone. */
static int become(uid_t uid, gid_t gid, const char *user)
{
	if (user ? initgroups(user, gid) : setgroups(1, &gid))
		return -errno;
	if (setresgid(gid, gid, gid))
		return -errno;
	return setresuid(uid, uid, uid) ? -errno : 0;
}

static int change_user(const struct options *options, struct fault *fault)
{
	const struct passwd *passwd = options->user ? getpwnam(options->user) : NULL;
	const struct group *group = options->group ? getgrnam(options->group) : NULL;
	int err;

	if (options->user && !passwd)
		return fault_set(fault, -ENOENT, "user %s: there is none of this name",
				 options->user);
	if (options->group && !group)
		return fault_set(fault, -ENOENT, "group %s: there is none of this name",
				 options->group);
	if (!passwd && !group)
		return 0;
	err = become(passwd ? passwd->pw_uid : geteuid(), group ? group->gr_gid : passwd->pw_gid,
		     group ? NULL : passwd->pw_name);
	return err ? fault_set(fault, err, "user %s: %s; start as root, or leave the directive out",
			       options->user ? options->user : options->group, strerror(-err))
		   : 0;
}

static void warn(const char *what, int err)
{
	fprintf(stderr, "lbstatic: warning: running without %s: %s\n", what, strerror(-err));
}

int privilege_drop(const struct site *site, struct fault *fault)
{
	int err = change_user(site->options, fault);

	if (err)
		return err;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		warn("no_new_privs, Landlock and seccomp", -errno);
		return 0;
	}
	if (!site->options->sandbox)
		return 0;
	err = landlock_enter(site);
	if (err)
		warn("Landlock", err);
	err = syscalls_limit();
	if (err)
		warn("seccomp", err);
	return 0;
}
