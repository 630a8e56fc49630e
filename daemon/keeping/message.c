/* SPDX-License-Identifier: Apache-2.0 */
#include "keeping/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static size_t take_descriptors(const struct msghdr *header, const struct cmsghdr *rights,
			       int fds[KEEPER_FDS_MAX])
{
	size_t bytes = 0;

	if (header->msg_controllen >= sizeof(*rights) && rights->cmsg_type == SCM_RIGHTS)
		bytes = rights->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(rights), bytes);
	return bytes / sizeof(*fds);
}

bool keeper_message_receive(struct keeper_message *message)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(KEEPER_FDS_MAX * sizeof(int))];
	} control = {0};
	struct iovec parts[] = {{&message->number, sizeof(message->number)},
				{message->note, sizeof(message->note) - 1}};
	struct msghdr header = {.msg_iov = parts,
				.msg_iovlen = 2,
				.msg_control = &control,
				.msg_controllen = sizeof(control)};
	ssize_t n;

	errno = 0;
	n = recvmsg(KEEPER_SOCKET, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < (ssize_t)sizeof(message->number))
		return false;
	message->note[n - sizeof(message->number)] = 0;
	message->count = take_descriptors(&header, &control.header, message->fds);
	message->is_short = header.msg_flags & MSG_CTRUNC;
	return true;
}
