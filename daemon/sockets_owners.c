/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a socket is: /proc/PID/fd/N of its holder reads "socket:[inode]" (proc(5)). */
#include "sockets.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "printable.h"
#include "process.h"

/*
 * Any user may hold a million descriptors in each of many processes, and the event loop waits for this walk:
 * beyond so many of one user's no more are looked at, so that a user can hide from it, but only oneself.
 * Users whose numbers are the same modulo USERS share them.  Root's are without bound.
 */
enum { DESCRIPTORS_A_USER = 32768, USERS = 256, ROOT = USERS };

struct wanted {
	uint32_t inode;
	struct sockets_owner *owner;
};

struct search {
	struct wanted *wanted; /* by inode */
	size_t count, missing;
	uint32_t left[USERS + 1]; /* descriptors that are still looked at, by user */
};

static int wanted_compare(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void read_comm(int proc, const char *pid, char comm[16])
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%.20s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, comm, 15);
	comm[n > 0 ? n : 0] = '\0';
	/* A process names itself as it likes; this is shown on terminals. */
	printable_line(comm, strcspn(comm, "\n"));
	close(fd);
}

/* A child that has not come to its program yet: it has a copy of all that we hold, and closes them. */
static bool is_copy(pid_t pid)
{
	struct process_stat process;
	struct stat own, its;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return pid != getpid() && !process_stat(pid, &process) && process.parent == getpid() &&
	       !stat(path, &its) && !stat("/proc/self/exe", &own) && own.st_dev == its.st_dev &&
	       own.st_ino == its.st_ino;
}

static bool is_asked_for(const struct sockets_owner *owner, pid_t pid)
{
	struct process_stat stat;

	if (owner->no_copy && is_copy(pid))
		return false;
	return !owner->session || (!process_stat(pid, &stat) && stat.session == owner->session);
}

/* One descriptor of one process.  A socket that we hold too is better named by its other holder. */
static void search_fd(struct search *s, int proc, int fds, const char *pid, const char *fd)
{
	struct wanted key = {0}, *found;
	struct sockets_owner *owner;
	char target[64];
	ssize_t n = readlinkat(fds, fd, target, sizeof(target) - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	if (sscanf(target, "socket:[%u]", &key.inode) != 1)
		return;
	found = bsearch(&key, s->wanted, s->count, sizeof(key), wanted_compare);
	owner = found ? found->owner : NULL;
	if (!owner || (owner->pid && owner->pid != getpid()) || !is_asked_for(owner, atoi(pid)))
		return;
	if (atoi(pid) != getpid())
		s->missing--;
	owner->pid = atoi(pid);
	owner->fd = atoi(fd);
	read_comm(proc, pid, owner->comm);
}

/*
 * NULL: it is gone.  The real user: a program with the set-user-ID bit that waits for a password is root by its
 * effective one, and holds what it was given.
 */
static uint32_t *find_left(struct search *s, const char *pid)
{
	uid_t user;

	if (process_user(atoi(pid), NULL, &user))
		return NULL;
	return &s->left[user ? user % USERS : ROOT];
}

/* Does any socket that is asked for belong to this process's session, or to anybody? */
static bool is_of_interest(const struct search *s, pid_t pid)
{
	struct process_stat stat;
	bool known = false;

	for (size_t i = 0; i < s->count; i++) {
		const struct sockets_owner *owner = s->wanted[i].owner;

		if (!owner->session)
			return true;
		if (!known && process_stat(pid, &stat))
			return false;
		known = true;
		if (stat.session == owner->session)
			return true;
	}
	return false;
}

static void search_process(struct search *s, int proc, const char *pid)
{
	uint32_t *left = find_left(s, pid);
	struct dirent *entry;
	char path[64];
	DIR *dir;
	int fds;

	if (!left || !*left || !is_of_interest(s, atoi(pid)))
		return;
	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fds = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fds < 0 ? NULL : fdopendir(fds);
	if (!dir) { /* it is gone, or not ours to see */
		if (fds >= 0)
			close(fds);
		return;
	}
	while (s->missing && *left && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		--*left;
		search_fd(s, proc, fds, pid, entry->d_name);
	}
	closedir(dir);
}

static int search_proc(struct search *s)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (!dir)
		return -errno;
	while (s->missing && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			search_process(s, dirfd(dir), entry->d_name);
	closedir(dir);
	return 0;
}

int sockets_find_owners(const uint32_t *inodes, size_t count, struct sockets_owner *owners)
{
	struct search s = {.count = count, .missing = count};
	int err;

	if (!count)
		return 0;
	s.wanted = calloc(count, sizeof(*s.wanted));
	if (!s.wanted)
		return -ENOMEM;
	for (unsigned i = 0; i < USERS; i++)
		s.left[i] = DESCRIPTORS_A_USER;
	s.left[ROOT] = UINT32_MAX;
	for (size_t i = 0; i < count; i++) {
		owners[i] = (struct sockets_owner){.inode = inodes[i],
						   .session = owners[i].session,
						   .no_copy = owners[i].no_copy};
		s.wanted[i] = (struct wanted){inodes[i], &owners[i]};
	}
	qsort(s.wanted, count, sizeof(*s.wanted), wanted_compare);
	err = search_proc(&s);
	free(s.wanted);
	return err;
}
