/* SPDX-License-Identifier: Apache-2.0 */
#include "control/listening.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/access.h"
#include "host/process/stranger.h"

static int taken_on = -1; /* of the program before this one */

void control_take_on(int fd)
{
	taken_on = fd;
}

/* Its rights may be others by now. */
static bool goes_on_at(const char *path, const struct control_access *access)
{
	int listens = 0;
	socklen_t length = sizeof(listens);
	struct stat there;

	return taken_on >= 0 &&
	       !getsockopt(taken_on, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) && listens &&
	       !lstat(path, &there) && S_ISSOCK(there.st_mode) && access_give(access, path);
}

int listening_go_on(const char *path, const struct control_access *access)
{
	int fd = taken_on;
	bool goes_on = goes_on_at(path, access);

	taken_on = -1;
	if (goes_on)
		return fd;
	if (fd >= 0)
		stranger_close(fd, geteuid());
	return -1;
}

/* A socket that a dead lbd left refuses connections; one that a living lbd owns does not. */
static bool is_answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answered =
		!connect(fd, (const struct sockaddr *)address, sizeof(*address)) || errno == EAGAIN;

	if (fd >= 0)
		close(fd);
	return answered;
}

static int set_path(const char *path, const char *suffix, struct sockaddr_un *address,
		    struct error *error)
{
	int length;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	length = snprintf(address->sun_path, sizeof(address->sun_path), "%s%s", path, suffix);
	if (length < 0 || (size_t)length >= sizeof(address->sun_path))
		return error_set(error, -EINVAL,
				 "control: path %s is longer than a socket's may be", path);
	return 0;
}

/* Aside first: the name appears only when its rights are set and it accepts. */
static int accept_aside(int fd, const struct sockaddr_un *aside, const char *path,
			const struct control_access *access)
{
	int result = 0;

	if (bind(fd, (const struct sockaddr *)aside, sizeof(*aside)) ||
	    !access_give(access, aside->sun_path) || listen(fd, SOMAXCONN) ||
	    rename(aside->sun_path, path)) {
		result = -errno;
		unlink(aside->sun_path);
	}
	return result;
}

int listening_open(const char *path, const struct control_access *access, struct error *error)
{
	struct sockaddr_un address, aside;
	int fd, result;

	result = set_path(path, "", &address, error);
	if (!result)
		result = set_path(path, ".new", &aside, error);
	if (result)
		return result;
	if (is_answered(&address))
		return error_set(error, -EADDRINUSE,
				 "another lbd answers at %s: stop it with "
				 "`lbctl shutdown` or start this one with another -n",
				 path);
	unlink(aside.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(error, -errno, "control: cannot listen at %s: %s", path,
				 strerror(errno));
	/* Accepted sockets inherit it. */
	stranger_refuse(fd);
	result = accept_aside(fd, &aside, path, access);
	if (!result)
		return fd;
	stranger_close(fd, geteuid());
	return error_set(error, result, "control: cannot listen at %s: %s", path,
			 strerror(-result));
}
