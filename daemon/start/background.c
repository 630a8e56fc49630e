/* SPDX-License-Identifier: Apache-2.0 */
#include "start/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/printable.h"

static int report_fd = -1;

/* The child's last word: "" when it started, its error line otherwise. */
static void wait_for_child(int fd)
{
	char text[ERROR_TEXT_BYTES + 1] = "";
	ssize_t got, length = 0;

	while ((got = read(fd, text + length, sizeof(text) - 1 - (size_t)length)) > 0)
		length += got;
	if (length == 1 && text[0] == '\n')
		_exit(0);
	printable_line(text, (size_t)length);
	fprintf(stderr, "lbd: %s\n", length ? text : "ended before it was ready");
	_exit(1);
}

int background_enter(struct error *error)
{
	int fds[2], null;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return error_set(error, -errno, "cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return error_set(error, -errno, "cannot fork: %s", strerror(errno));
	if (pid) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	report_fd = fds[1];
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
	return 0;
}

bool background_ready(const char *failure)
{
	const char *text = failure ? failure : "\n";
	int null;

	if (report_fd < 0)
		return false;
	if (write(report_fd, text, strlen(text)) < 0)
		_exit(1);
	close(report_fd);
	report_fd = -1;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, 2);
	return true;
}
