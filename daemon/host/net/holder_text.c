/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/holder_text.h"

#include <pwd.h>
#include <stdio.h>

#include "host/process/process.h"

const char *holder_user(uid_t uid, char number[HOLDER_NUMBER_BYTES])
{
	const struct passwd *entry = getpwuid(uid);

	snprintf(number, HOLDER_NUMBER_BYTES, "%u", uid);
	return entry ? entry->pw_name : number;
}

void holder_text(const struct sockets_holder *holder, uid_t maker, char *text, size_t size)
{
	char number[HOLDER_NUMBER_BYTES];
	uid_t uid = maker;

	if (!holder->pid) {
		snprintf(text, size, "a process of user %.32s", holder_user(uid, number));
		return;
	}
	/* Who made the socket may have passed it on. */
	process_user(holder->pid, &uid, NULL);
	snprintf(text, size, "%s (pid %d, user %.32s)", holder->comm, holder->pid,
		 holder_user(uid, number));
}
