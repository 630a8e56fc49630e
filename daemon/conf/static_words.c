/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/static_words.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/printable.h"
#include "host/process/close_range.h"

enum { TIMEOUT_US = 5 * 1000 * 1000 };

#define PREFIX "lbstatic: "

static char **with_version(char *const *argv)
{
	size_t count = 0;
	char **words;

	while (argv[count])
		count++;
	words = calloc(count + 2, sizeof(*words));
	if (!words)
		return NULL;
	memcpy(words, argv, count * sizeof(*words));
	words[count] = (char *)"-V";
	return words;
}

/* Its standard error is the pipe; of lbd's environment and signals it has nothing. */
static _Noreturn void run_lbstatic(char **argv, int err)
{
	char *environment[] = {NULL};
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(err, STDERR_FILENO);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close_range_at_once(STDERR_FILENO + 1, ~0U);
	execvpe(argv[0], argv, environment);
	_exit(0); /* nothing is found wrong */
}

/* 0: its end, or that of the time. */
static ssize_t read_until(int fd, uint64_t end_us, char *bytes, size_t room)
{
	uint64_t now_us = clock_us();
	struct pollfd some = {.fd = fd, .events = POLLIN};

	if (now_us >= end_us || poll(&some, 1, (int)((end_us - now_us) / 1000) + 1) <= 0)
		return 0;
	return read(fd, bytes, room);
}

/* The first line; what follows is read, too, so that it never stops for want of room. */
static void read_line(int fd, char *line, size_t room)
{
	uint64_t end_us = clock_us() + TIMEOUT_US;
	char rest[256];
	size_t used = 0;
	ssize_t n;

	while (used < room - 1 && (n = read_until(fd, end_us, line + used, room - 1 - used)) > 0)
		used += (size_t)n;
	while (read_until(fd, end_us, rest, sizeof(rest)) > 0)
		;
	line[used] = '\0';
	line[strcspn(line, "\n")] = '\0';
	printable_line(line, strlen(line));
}

/* The line of a refusal, or "". */
static void ask_lbstatic(char **argv, const int pipe[2], char *line, size_t room)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid)
		run_lbstatic(argv, pipe[1]);
	close(pipe[1]);
	*line = '\0';
	if (pid < 0)
		return;
	read_line(pipe[0], line, room);
	kill(pid, SIGKILL); /* it has closed its end: it has ended, or is late */
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || !WEXITSTATUS(status))
		*line = '\0';
}

/* DANGER: a file of rules may be others', a FIFO, say, and lbstatic wait for it, and lbd for lbstatic. */
static bool opens_file(char *const *argv)
{
	for (; *argv; argv++)
		if (!strcmp(*argv, "-c"))
			return true;
	return false;
}

int static_words_check(char *const *argv, struct error *error)
{
	char **words, line[600];
	const char *text = line;
	int pipe[2];

	if (opens_file(argv))
		return 0;
	words = with_version(argv);
	if (!words || pipe2(pipe, O_CLOEXEC)) {
		free(words);
		return 0;
	}
	ask_lbstatic(words, pipe, line, sizeof(line));
	close(pipe[0]);
	free(words);
	if (!*line)
		return 0;
	if (!strncmp(line, PREFIX, strlen(PREFIX)))
		text += strlen(PREFIX);
	return error_set(error, -EINVAL, "%s", text);
}
