/* SPDX-License-Identifier: Apache-2.0 */
/* Limits from within a group of our own, as a systemd unit or a container gives it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cgroup/cgroup.h"
#include "host/cgroup/limit.h"

/* What the machine may have in cgroup v2, and a limit of each that hurts nobody. */
static const struct {
	const char *controller, *file, *value, *shown;
} limits[] = {
	{"memory", "memory.max", "1073741824", "1073741824\n"},
	{"pids", "pids.max", "1000", "1000\n"},
	{"hugetlb", "hugetlb.2MB.max", "4194304", "4194304\n"},
};

static char root[PATH_MAX], group[PATH_MAX];
static const char *file, *value, *shown;
static char enabled_here[64]; /* what was written to the root's subtree_control */

static void read_text(const char *dir, const char *name, char *text, size_t room)
{
	char path[2 * PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, text, room - 1);
	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
}

static bool write_text(const char *dir, const char *name, const char *text)
{
	char path[2 * PATH_MAX];
	int fd;
	bool done;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return done;
}

static bool find_controller(void)
{
	char have[512], use[512];

	read_text(root, "cgroup.controllers", have, sizeof(have));
	read_text(root, "cgroup.subtree_control", use, sizeof(use));
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits) && !file; i++) {
		if (!strstr(have, limits[i].controller))
			continue;
		file = limits[i].file;
		value = limits[i].value;
		shown = limits[i].shown;
		if (!strstr(use, limits[i].controller))
			snprintf(enabled_here, sizeof(enabled_here), "-%s", limits[i].controller);
	}
	return file;
}

static int find_root(void **unused)
{
	(void)unused;
	if (geteuid() || cgroup_root(root) || !find_controller())
		return 0;
	snprintf(group, sizeof(group), "%.4000s/lbd-unit-%d", root, getpid());
	return mkdir(group, 0755);
}

static int remove_root(void **unused)
{
	char path[PATH_MAX + 64];

	(void)unused;
	if (!*group)
		return 0;
	for (const char **below = (const char *[]){"/lbd/a/worker", "/lbd/a", "/lbd",
						   "/lbd.supervisor", "", NULL};
	     *below; below++) {
		snprintf(path, sizeof(path), "%s%s", group, *below);
		cgroup_kill_all(path, 5000);
		rmdir(path);
	}
	if (*enabled_here)
		write_text(root, "cgroup.subtree_control", enabled_here);
	return access(group, F_OK) ? 0 : -1;
}

#define need(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static bool is_in(pid_t pid, const char *below)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s%s", group, below);
	return cgroup_holds(path, pid);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

/* As lbd does: finds its group, has a child of its own beside, makes a worker's group, limits it. */
static void limit_a_worker(void)
{
	char *dir = NULL, *worker = NULL, text[64];
	struct error error = {0};
	pid_t child = sleeper();

	need(!cgroup_find("a", &dir, &error));
	need(!cgroup_make(dir, "worker", &worker));
	if (cgroup_limit(worker, file, value, &error))
		fprintf(stderr, "%s\n", error.text);
	read_text(worker, file, text, sizeof(text));
	need(!strcmp(text, shown));
	need(is_in(getpid(), "/lbd.supervisor") && is_in(child, "/lbd.supervisor"));
	/* A later look, from there, finds the same group again. */
	free(dir);
	need(!cgroup_find("a", &dir, &error));
	need(!strncmp(worker, dir, strlen(dir)) && !strcmp(worker + strlen(dir), "/worker"));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Somebody else's process is not moved: no limit, and the line says whose fault it is. */
static void be_refused(void)
{
	char *dir = NULL, *worker = NULL;
	struct error error = {0};

	need(!cgroup_find("a", &dir, &error));
	need(!cgroup_make(dir, "worker", &worker));
	need(cgroup_limit(worker, file, value, &error) == -ENOENT);
	need(strstr(error.text, "other processes") && strstr(error.text, group));
	need(is_in(getpid(), "") && !is_in(getpid(), "/lbd.supervisor"));
}

/* One that is not empty is never given out again, nor is what is in it harmed; there are so many names. */
static void name_anew(void)
{
	pid_t children[CGROUP_NAMES];
	char path[PATH_MAX], *dir = NULL, *made = NULL;
	struct error error = {0};

	need(!cgroup_find("a", &dir, &error));
	for (unsigned n = 0; n < CGROUP_NAMES; n++) {
		children[n] = sleeper();
		need(!cgroup_make(dir, "worker", &made));
		need(!cgroup_nth(dir, "worker", n, path) && !strcmp(made, path));
		need(cgroup_stem(strrchr(made, '/') + 1) == strlen("worker"));
		need(!cgroup_add(made, children[n]));
		free(made);
	}
	need(cgroup_make(dir, "worker", &made) == -EBUSY);
	kill(children[2], SIGKILL);
	waitpid(children[2], NULL, 0);
	need(!cgroup_make(dir, "worker", &made) && !strcmp(strrchr(made, '/'), "/worker~2"));
	for (unsigned n = 0; n < CGROUP_NAMES; n++) {
		need(!cgroup_nth(dir, "worker", n, path));
		if (n != 2) {
			need(cgroup_first(path) == children[n]);
			kill(children[n], SIGKILL);
			waitpid(children[n], NULL, 0);
		}
		need(!cgroup_remove(path));
	}
	free(made);
	free(dir);
}

/* Those below share it: forks so far, and no more from then on, so that none outlives a failure. */
static struct {
	atomic_uint forks;
	time_t until;
} * comets;

static void *stay(void *unused)
{
	while (time(NULL) < comets->until)
		sleep(1);
	_exit(0);
	return unused;
}

/* The process goes on in that thread alone: its first has ended. */
static void go_on_in(void *(*run)(void *))
{
	pthread_t thread;

	need(!pthread_create(&thread, NULL, run, NULL));
	syscall(SYS_exit, 0);
}

/* Each ends as soon as the next is there, which has never been listed. */
static void *fly(void *unused)
{
	atomic_fetch_add(&comets->forks, 1);
	if (time(NULL) < comets->until && !fork())
		go_on_in(fly);
	_exit(0);
	return unused;
}

static void start_in(const char *dir, void *(*run)(void *))
{
	pid_t pid = fork();

	if (!pid) {
		need(!cgroup_add(dir, getpid()));
		go_on_in(run);
	}
	need(pid > 0);
}

/* cgroup.kill leaves out a process whose first thread has ended; and these fork all the while. */
static void end_leaderless(void)
{
	enum { EACH = 4, FORKS = 200, LIFE_S = 60, WAIT_MS = 20000 };
	char *dir = NULL, *made = NULL;
	struct error error = {0};
	unsigned forks;

	comets = mmap(NULL, sizeof(*comets), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	need(comets != MAP_FAILED);
	comets->until = time(NULL) + LIFE_S;
	signal(SIGCHLD, SIG_IGN); /* reaped by themselves */
	need(!cgroup_find("a", &dir, &error));
	need(!cgroup_make(dir, "worker", &made));
	for (int n = 0; n < EACH; n++) {
		start_in(made, stay);
		start_in(made, fly);
	}
	while (atomic_load(&comets->forks) < FORKS && time(NULL) < comets->until)
		sched_yield();
	need(!cgroup_kill_all(made, WAIT_MS) && time(NULL) < comets->until);
	forks = atomic_load(&comets->forks);
	need(forks >= FORKS && !cgroup_populated(made) && !cgroup_remove(made));
	need(forks == atomic_load(&comets->forks));
	free(made);
	free(dir);
}

/* Runs it in a process that is in the group, with the stranger if there is one. */
static void run_in_group(void (*act)(void), pid_t stranger)
{
	int status;
	pid_t pid;

	if (stranger)
		assert_int_equal(cgroup_add(group, stranger), 0);
	pid = fork();
	if (!pid) {
		need(!cgroup_add(group, getpid()));
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (stranger) {
		kill(stranger, SIGKILL);
		waitpid(stranger, NULL, 0);
	}
	assert_int_equal(status, 0);
}

static void a_stranger_stays(void **unused)
{
	(void)unused;
	if (!*group)
		skip();
	run_in_group(be_refused, sleeper());
}

static void lbd_makes_way(void **unused)
{
	(void)unused;
	if (!*group)
		skip();
	run_in_group(limit_a_worker, 0);
}

static void names_are_not_shared(void **unused)
{
	(void)unused;
	if (!*group)
		skip();
	run_in_group(name_anew, 0);
}

static void leaderless_end(void **unused)
{
	(void)unused;
	if (!*group)
		skip();
	run_in_group(end_leaderless, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_not_shared),
		cmocka_unit_test(leaderless_end),
		cmocka_unit_test(a_stranger_stays),
		cmocka_unit_test(lbd_makes_way),
	};

	return cmocka_run_group_tests_name("cgroup", tests, find_root, remove_root);
}
