/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/owner_text.h"

#include <pwd.h>
#include <stdio.h>

#include "host/process/process.h"

const char *owner_user(uid_t uid, char number[OWNER_NUMBER_BYTES])
{
	const struct passwd *entry = getpwuid(uid);

	snprintf(number, OWNER_NUMBER_BYTES, "%u", uid);
	return entry ? entry->pw_name : number;
}

void owner_text(const struct sockets_owner *owner, uid_t maker, char *text, size_t size)
{
	char number[OWNER_NUMBER_BYTES];
	uid_t uid = maker;

	if (!owner->pid) {
		snprintf(text, size, "a process of user %.32s", owner_user(uid, number));
		return;
	}
	/* Who made the socket may have passed it on. */
	process_user(owner->pid, &uid, NULL);
	snprintf(text, size, "%s (pid %d, user %.32s)", owner->comm, owner->pid,
		 owner_user(uid, number));
}
