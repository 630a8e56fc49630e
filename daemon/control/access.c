/* SPDX-License-Identifier: Apache-2.0 */
#include "control/access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb/ctl.h"

enum { MODE = 0660 };

static bool in_group(int fd, gid_t main_group, gid_t group)
{
	gid_t *groups = NULL;
	socklen_t bytes = 0;
	bool found = main_group == group;

	/* Fails with ERANGE and tells the length; no supplementary groups: succeeds with 0. */
	if (found || !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) || errno != ERANGE)
		return found;
	groups = malloc(bytes);
	if (groups && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes)) {
		for (size_t i = 0; i < bytes / sizeof(*groups); i++)
			found |= groups[i] == group;
	}
	free(groups);
	return found;
}

enum client_rank access_rank(const struct control_access *access, int fd, const struct ucred *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return RANK_ROOT;
	if (peer->uid == access->owner ||
	    (access->group != (gid_t)-1 && in_group(fd, peer->gid, access->group)))
		return RANK_CHANGER;
	return RANK_READER;
}

int control_find_access(int mode, const char *owner, const char *group,
			struct control_access *access, struct error *error)
{
	struct passwd *user = owner ? getpwnam(owner) : NULL;
	struct group *members = getgrnam(group ? group : LB_CTL_GROUP);

	access->mode = mode;
	access->owner = user ? user->pw_uid : geteuid();
	access->group = members ? members->gr_gid : (gid_t)-1;
	if (owner && !user)
		return error_set(error, -EINVAL, "control: no user `%s`; create it or name another",
				 owner);
	if (group && !members)
		return error_set(error, -EINVAL,
				 "control: no group `%s`; create it or name another", group);
	return 0;
}

bool access_give(const struct control_access *access, const char *path)
{
	gid_t group = access->group == (gid_t)-1 ? getegid() : access->group;

	return !chown(path, access->owner, group) &&
	       !chmod(path, access->mode < 0 ? MODE : access->mode);
}
