// SPDX-License-Identifier: Apache-2.0
#include "static/process/privilege.h"

#include "static/process/landlock.h"
#include "static/process/syscalls.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/* With a user alone, its own groups; with a group too, that one alone. */
static int become_user(uid_t uid, gid_t gid, const char *user)
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
	err = become_user(passwd ? passwd->pw_uid : geteuid(),
			  group ? group->gr_gid : passwd->pw_gid, group ? NULL : passwd->pw_name);
	return err ? fault_set(fault, err, "user %s: %s; start as root, or leave the directive out",
			       options->user ? options->user : options->group, strerror(-err))
		   : 0;
}

/* What could not be had, as "a: why; b: why". */
static void add_missing(char *missing, size_t room, const char *what, int err)
{
	size_t len = strlen(missing);

	snprintf(missing + len, room - len, "%s%s: %s", len ? "; " : "", what, strerror(-err));
}

static void enter_sandbox(const struct site *site)
{
	char missing[256] = "";
	int err;

	if ((err = landlock_enter(site)))
		add_missing(missing, sizeof(missing), "Landlock", err);
	if ((err = syscalls_limit()))
		add_missing(missing, sizeof(missing), "seccomp", err);
	if (*missing)
		fprintf(stderr, "lbstatic: warning: running without %s\n", missing);
}

int privilege_drop(const struct site *site, struct fault *fault)
{
	int err = change_user(site->options, fault);

	if (err)
		return err;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		fprintf(stderr,
			"lbstatic: warning: running without no_new_privs and a sandbox: %s\n",
			strerror(errno));
	else if (site->options->sandbox)
		enter_sandbox(site);
	return 0;
}
