// SPDX-License-Identifier: Apache-2.0
#include "static/options/written.h"

#include "base/open_file.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whom it is to become; an unknown one is refused when it comes to that. */
static uid_t user_of(const struct options *options)
{
	const struct passwd *passwd = options->user ? getpwnam(options->user) : NULL;

	return passwd ? passwd->pw_uid : geteuid();
}

int written_open(const char *what, const char *path, int flags, const struct options *options,
		 struct fault *fault)
{
	char prefix[32];
	struct error error;
	int fd;

	if (!strcmp(path, "/dev/stdout"))
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	snprintf(prefix, sizeof(prefix), "%s ", what);
	if (!geteuid()) {
		fd = open_file(prefix, path, flags | O_CREAT, user_of(options), &error);
		return fd < 0 ? fault_set(fault, fd, "%s", error.text) : fd;
	}
	/* With its own rights nobody can lead it to what it may not write. */
	fd = open(path, flags | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
	return fd < 0 ? fault_set(fault, -errno, "%s%s: %s", prefix, path, strerror(errno)) : fd;
}
