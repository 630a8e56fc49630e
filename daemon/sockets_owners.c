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
#include <unistd.h>

struct search {
	struct sockets_owner **by_inode; /* sorted */
	size_t count, missing;
};

static int by_inode_compare(const void *a, const void *b)
{
	const struct sockets_owner *x = *(struct sockets_owner *const *)a;
	const struct sockets_owner *y = *(struct sockets_owner *const *)b;

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
	comm[strcspn(comm, "\n")] = '\0';
	close(fd);
}

/* One descriptor of one process.  A socket that we hold too is better named by its other holder. */
static void search_fd(struct search *s, int proc, int fds, const char *pid, const char *fd)
{
	struct sockets_owner key = {0}, *keyp = &key, **found;
	char target[64];
	ssize_t n = readlinkat(fds, fd, target, sizeof(target) - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	if (sscanf(target, "socket:[%u]", &key.inode) != 1)
		return;
	found = bsearch(&keyp, s->by_inode, s->count, sizeof(keyp), by_inode_compare);
	if (!found || ((*found)->pid && (*found)->pid != getpid()))
		return;
	if (atoi(pid) != getpid())
		s->missing--;
	(*found)->pid = atoi(pid);
	(*found)->fd = atoi(fd);
	read_comm(proc, pid, (*found)->comm);
}

static void search_process(struct search *s, int proc, const char *pid)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;
	int fds;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fds = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fds < 0 ? NULL : fdopendir(fds);
	if (!dir) { /* it is gone, or not ours to see */
		if (fds >= 0)
			close(fds);
		return;
	}
	while (s->missing && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			search_fd(s, proc, fds, pid, entry->d_name);
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
	s.by_inode = calloc(count, sizeof(*s.by_inode));
	if (!s.by_inode)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		owners[i] = (struct sockets_owner){.inode = inodes[i]};
		s.by_inode[i] = &owners[i];
	}
	qsort(s.by_inode, count, sizeof(*s.by_inode), by_inode_compare);
	err = search_proc(&s);
	free(s.by_inode);
	return err;
}
