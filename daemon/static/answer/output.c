// SPDX-License-Identifier: Apache-2.0
#include "static/answer/output.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

/* The number of bytes taken, 0 when the socket is full, or -errno. */
static ssize_t send_two(int fd, struct slice first, struct slice second, bool more)
{
	struct iovec iov[2] = {{(void *)first.at, first.len}, {(void *)second.at, second.len}};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
	ssize_t sent;

	do {
		sent = second.len ? sendmsg(fd, &message, flags)
				  : send(fd, first.at, first.len, flags);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? 0 : -errno;
	return sent;
}

static ssize_t send_file(int fd, int file, uint64_t at, uint64_t bytes)
{
	off_t offset = at;
	ssize_t sent;

	do {
		sent = sendfile(fd, file, &offset, bytes);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? 0 : -errno;
	/* The file was cut while it was sent: the promised length cannot be kept. */
	return sent ? sent : -ENODATA;
}

/* More in the kernel's queue is fewer wake-ups for each byte. */
static void unbound(int fd)
{
	int bytes = INT_MAX;

	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

/* Some of the answer's content; what was sent, 0 when full, or -errno. */
static ssize_t send_content(struct output *output, int fd, uint64_t budget)
{
	uint64_t bytes = output->end - output->at;
	ssize_t sent;

	if (bytes > budget)
		bytes = budget;
	if (output->answer->fd >= 0)
		sent = send_file(fd, output->answer->fd, output->at, bytes);
	else
		sent = send_two(fd, (struct slice){output->answer->body + output->at, bytes},
				(struct slice){NULL, 0}, false);
	if (sent > 0) {
		if (output->sent < OUTPUT_PROVEN && output->sent + sent >= OUTPUT_PROVEN)
			unbound(fd);
		output->at += sent;
		output->sent += sent;
	}
	return sent;
}

static ssize_t send_text(struct output *output, int fd)
{
	struct slice text = {output->text + output->text_at, output->text_len - output->text_at};
	ssize_t sent = send_two(fd, text, (struct slice){NULL, 0}, output->at < output->end);

	if (sent > 0) {
		output->text_at += sent;
		output->sent += sent;
	}
	if (output->text_at == output->text_len) {
		free(output->text);
		output->text = NULL;
	}
	return sent;
}

static int keep_text(struct output *output, const char *at, size_t len)
{
	output->text = malloc(len);
	if (!output->text)
		return -ENOMEM;
	memcpy(output->text, at, len);
	output->text_at = 0;
	output->text_len = len;
	return 0;
}

/* The next of several parts becomes the text and the content to send. */
static int load_part(struct output *output)
{
	const struct part *part = &output->parts->part[output->parts->next++];

	output->at = part->from;
	output->end = part->to;
	return keep_text(output, part->text.at, part->text.len);
}

bool output_pending(const struct output *output)
{
	return output->text || output->at < output->end ||
	       (output->parts && output->parts->next < output->parts->count);
}

void output_clear(struct output *output)
{
	answer_unref(output->answer);
	free(output->text);
	free(output->parts);
	*output = (struct output){.sent = output->sent};
}

int output_continue(struct output *output, int fd, uint64_t budget)
{
	uint64_t limit = output->sent + budget;
	ssize_t sent = 1;
	int err;

	while (output_pending(output)) {
		if (output->sent >= limit)
			return OUTPUT_MORE;
		if (output->text)
			sent = send_text(output, fd);
		else if (output->at < output->end)
			sent = send_content(output, fd, limit - output->sent);
		else if ((err = load_part(output)))
			return err;
		if (sent <= 0)
			return sent ? (int)sent : OUTPUT_BLOCKED;
	}
	output_clear(output);
	return OUTPUT_DONE;
}

/*
 * The usual case: head and content in one write.  A head that goes out in pieces is copied, because
 * the one that it comes from may get another date meanwhile.
 */
static int send_first(struct output *output, int fd, struct slice head, bool corked)
{
	const struct answer *answer = output->answer;
	bool in_memory = answer && answer->fd < 0 && output->at < output->end;
	struct slice body = {NULL, 0};
	ssize_t sent;

	if (in_memory)
		body = (struct slice){answer->body + output->at, output->end - output->at};
	if (body.at && body.at == head.at + head.len) {
		head.len += body.len;
		sent = send_two(fd, head, (struct slice){NULL, 0}, corked);
		head.len -= body.len;
	} else {
		sent = send_two(fd, head, body, corked || (!in_memory && output->at < output->end));
	}
	if (sent < 0)
		return sent;
	output->sent = sent;
	if ((size_t)sent < head.len)
		return keep_text(output, head.at + sent, head.len - sent);
	output->at += sent - head.len;
	return 0;
}

int output_start(struct output *output, int fd, struct slice head, struct answer *answer,
		 uint64_t from, uint64_t to, struct parts *parts, uint64_t budget, bool corked)
{
	int err;

	*output = (struct output){.answer = answer, .at = from, .end = to, .parts = parts};
	if (answer)
		answer_ref(answer);
	err = send_first(output, fd, head, corked);
	return err ? err : output_continue(output, fd, budget);
}
