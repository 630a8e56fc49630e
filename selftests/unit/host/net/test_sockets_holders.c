/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds a socket is found whatever others hold: the walk is bounded, and everybody has a share of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "host/cgroup/cgroup.h"
#include "host/net/sockets.h"
#include "unit/descriptors.h"
#include "unit/own_netns.h"

enum {
	VICTIM = 20000, /* users that nobody is */
	OTHER = 20001,
	PROCESSES = 3,       /* of one user who hoards, */
	DESCRIPTORS = 12000, /* and in each: together more than anybody's share */
};

static const struct row {
	const char *name;
	uid_t first_user; /* who hoard, */
	unsigned users;   /* this many, by numbers that follow */
	unsigned spare;   /* descriptors of the holder before its socket */
	uid_t maker;
	enum { ANYWHERE, GROUP, SESSION } in; /* asked for: what the holder is in */
} rows[] = {
	{"nobody hoards", 0, 0, 0, VICTIM, ANYWHERE},
	{"the same number modulo 256", VICTIM + 256, 1, 0, VICTIM, ANYWHERE},
	{"many before it, and it has many", VICTIM - 50, 50, 5000, VICTIM, ANYWHERE},
	{"many before it, and another made the socket", VICTIM - 50, 50, 500, OTHER, ANYWHERE},
	{"many behind it, and another made the socket", VICTIM + 1, 50, 5000, OTHER, ANYWHERE},
	{"its own user, beside its control group", VICTIM, 1, 5000, VICTIM, GROUP},
	{"its own user, beside its session", VICTIM, 1, 5000, VICTIM, SESSION},
};

static char group[PATH_MAX];

static void become(uid_t user)
{
	if (setgroups(0, NULL) || setgid(user) || setuid(user) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL)) /* also when a test fails */
		_exit(1);
}

static void hold(unsigned count)
{
	int null = open("/dev/null", O_RDONLY);

	for (unsigned i = 0; i < count; i++)
		if (dup(null) < 0)
			_exit(1);
}

static _Noreturn void say_and_wait(int ready, const void *word, size_t bytes)
{
	if (write(ready, word, bytes) < 0)
		_exit(1);
	for (;;)
		pause();
}

/* The first of them has all, and the others have it by fork(2). */
static pid_t hoard(const struct row *row)
{
	unsigned count = row->users * PROCESSES;
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold(DESCRIPTORS);
		for (unsigned i = 0; i < count; i++)
			if (!fork()) {
				become(row->first_user + i / PROCESSES);
				say_and_wait(ready[1], "", 1);
			}
		for (;;)
			pause();
	}
	close(ready[1]);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static uint32_t listening_inode(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct stat st;

	if (bind(fd, (void *)&at, sizeof(at)) || listen(fd, 4) || fstat(fd, &st))
		_exit(1);
	return st.st_ino;
}

static pid_t fork_holder(const struct row *row, uint32_t *inode)
{
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		become(VICTIM);
		setsid();
		hold(row->spare);
		*inode = listening_inode();
		say_and_wait(ready[1], inode, sizeof(*inode));
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], inode, sizeof(*inode)), sizeof(*inode));
	close(ready[0]);
	if (row->in == GROUP)
		assert_int_equal(cgroup_add(group, pid), 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_rows(void **state)
{
	(void)state;
	need_privilege();
	need_descriptors(DESCRIPTORS + 100);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		struct sockets_holder holder = {.user = row->maker};
		uint32_t inode;
		pid_t hoarder, pid;

		if (row->in == GROUP && !*group)
			continue;
		print_message("%s\n", row->name);
		hoarder = hoard(row);
		pid = fork_holder(row, &inode);
		holder.group = row->in == GROUP ? group : NULL;
		holder.session = row->in == SESSION ? pid : 0;
		assert_int_equal(sockets_find_holders(&inode, 1, &holder), 0);
		assert_int_equal(holder.pid, pid);
		end(pid);
		end(hoarder);
	}
}

static int make_group(void **state)
{
	char root[PATH_MAX];

	(void)state;
	if (geteuid() || cgroup_root(root))
		return 0;
	snprintf(group, sizeof(group), "%.4000s/lbd-unit-holders-%d", root, getpid());
	if (mkdir(group, 0755))
		*group = '\0';
	return 0;
}

static int remove_group(void **state)
{
	(void)state;
	if (!*group)
		return 0;
	cgroup_kill_all(group, 5000);
	return rmdir(group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("sockets_owners", tests, make_group, remove_group);
}
