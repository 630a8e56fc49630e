/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int keeper_send(int socket, uint64_t number, const char *note, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(KEEPER_FDS_MAX * sizeof(int))];
	} control = {.header = {CMSG_LEN(fd_count * sizeof(*fds)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec parts[] = {{&number, sizeof(number)},
				{(char *)note, note ? strlen(note) + 1 : 0}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (fd_count) {
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(*fds));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(*fds));
	}
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int keeper_send_fifo(int socket, uint64_t number, const char *note, int fd)
{
	char path[32];
	int reader, err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* No writer itself: the kernel tells it when there is none. */
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (reader < 0)
		return -errno;
	err = keeper_send(socket, number, note, &reader, 1);
	close(reader);
	return err;
}
