/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == 0;
}

static int find_passwd(const char *user, struct passwd **entry, struct error *error)
{
	errno = 0;
	*entry = getpwnam(user);
	if (!*entry && is_number(user))
		*entry = getpwuid(atoi(user));
	if (!*entry)
		return error_set(error, -EINVAL,
				 "user %s: unknown; add it (adduser --system %s) or name another",
				 user, user);
	return 0;
}

static int find_group(const char *group, gid_t *gid, struct error *error)
{
	struct group *entry = getgrnam(group);

	if (!entry && is_number(group))
		entry = getgrgid(atoi(group));
	if (!entry)
		return error_set(error, -EINVAL,
				 "group %s: unknown; add it (addgroup --system %s) or name another",
				 group, group);
	*gid = entry->gr_gid;
	return 0;
}

static int list_groups(const char *user, struct account *account)
{
	int count = 0;

	getgrouplist(user, account->gid, NULL, &count);
	account->groups = calloc(count ? count : 1, sizeof(gid_t));
	if (!account->groups)
		return -ENOMEM;
	if (getgrouplist(user, account->gid, account->groups, &count) < 0)
		return -EAGAIN;
	account->group_count = count;
	return 0;
}

/* As login(1) has them. */
static int put_login(const struct passwd *entry, struct environment *env)
{
	const char *shell = entry->pw_shell && *entry->pw_shell ? entry->pw_shell : "/bin/sh";
	int err = environment_put(env, "HOME", entry->pw_dir);

	if (!err)
		err = environment_put(env, "USER", entry->pw_name);
	if (!err)
		err = environment_put(env, "LOGNAME", entry->pw_name);
	return err ? err : environment_put(env, "SHELL", shell);
}

int account_find(const char *user, const char *group, struct account *account,
		 struct environment *env, struct error *error)
{
	struct passwd *entry = NULL;
	int err = 0;

	*account = (struct account){.name = user ? user : group,
				    .set = user || group,
				    .uid = geteuid(),
				    .gid = getegid()};
	if (user && (err = find_passwd(user, &entry, error)))
		return err;
	if (entry) {
		account->uid = entry->pw_uid;
		account->gid = entry->pw_gid;
	}
	if (group && (err = find_group(group, &account->gid, error)))
		return err;
	if (entry)
		err = list_groups(entry->pw_name, account);
	if (!entry)
		entry = getpwuid(account->uid);
	if (!err && entry)
		err = put_login(entry, env);
	if (err)
		return error_set(error, err, "user %s: %s", user ? user : "of lbd", strerror(-err));
	return 0;
}

int account_uid(const char *user, uid_t *uid, struct error *error)
{
	struct passwd *entry = NULL;
	int err = user ? find_passwd(user, &entry, error) : 0;

	*uid = entry ? entry->pw_uid : user ? (uid_t)-1 : geteuid();
	return err;
}

void account_clear(struct account *account)
{
	free(account->groups);
	*account = (struct account){0};
}

/*
 * DANGER: not by libc's functions of these names.  Those change every thread (nptl(7)), and a child's memory says
 * that it has the threads of lbd: where one of them was about to end at that moment they wait for ever.
 */
int account_become(const struct account *account)
{
	if (!account->set)
		return 0;
	if (syscall(SYS_setgroups, account->group_count, account->groups) ||
	    syscall(SYS_setresgid, account->gid, account->gid, account->gid) ||
	    syscall(SYS_setresuid, account->uid, account->uid, account->uid))
		return -errno;
	return 0;
}
