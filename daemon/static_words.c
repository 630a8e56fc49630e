/* SPDX-License-Identifier: Apache-2.0 */
#include "static_words.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "printable.h"

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
static _Noreturn void run(char **argv, int err)
{
	char *environment[] = {NULL};
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(err, STDERR_FILENO);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	execvpe(argv[0], argv, environment);
	_exit(0); /* nothing is found wrong */
}

/* The first line; what follows is read, too, so that it never stops for want of room. */
static void read_line(int fd, char *line, size_t room)
{
	char rest[256];
	size_t used = 0;
	ssize_t n;

	while (used < room - 1 && (n = read(fd, line + used, room - 1 - used)) > 0)
		used += (size_t)n;
	while (read(fd, rest, sizeof(rest)) > 0)
		;
	line[used] = '\0';
	line[strcspn(line, "\n")] = '\0';
	printable_line(line, strlen(line));
}

/* The line of a refusal, or "". */
static void ask(char **argv, const int pipe[2], char *line, size_t room)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid)
		run(argv, pipe[1]);
	close(pipe[1]);
	*line = '\0';
	if (pid < 0)
		return;
	read_line(pipe[0], line, room);
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
	ask(words, pipe, line, sizeof(line));
	close(pipe[0]);
	free(words);
	if (!*line)
		return 0;
	if (!strncmp(line, PREFIX, strlen(PREFIX)))
		text += strlen(PREFIX);
	return error_set(error, -EINVAL, "%s", text);
}
