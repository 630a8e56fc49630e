/* SPDX-License-Identifier: Apache-2.0 */
#include "inherit.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "process.h"
#include "stranger.h"

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

static int listen_on(int fd, const struct lb_endpoint *endpoint, bool only_v6, unsigned backlog)
{
	struct sockaddr_storage sa;
	socklen_t length = addr_to_sockaddr(endpoint, &sa);
	int err = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (!err && sa.ss_family == AF_INET6)
		err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only_v6);
	if (err)
		return err;
	if (bind(fd, (struct sockaddr *)&sa, length) || listen(fd, backlog ? backlog : SOMAXCONN))
		return -errno;
	return 0;
}

static int open_one(const struct lb_endpoint *endpoint, bool only_v6, unsigned backlog,
		    struct error *error)
{
	int family = addr_is_v4(&endpoint->addr) ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : listen_on(fd, endpoint, only_v6, backlog);
	char text[ADDR_TEXT_BYTES];

	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return error_set(
		error, err, "listen %s: %s%s", addr_format_endpoint(endpoint, text), strerror(-err),
		err == -EADDRINUSE ? "; end what listens there (ss -ltnp), or change `ports`" : "");
}

/* 127.0.0.1 and ::1, 0.0.0.0 and :: */
static bool counterpart(const struct lb_endpoint *v4, struct lb_endpoint *v6)
{
	*v6 = *v4;
	addr_any(true, &v6->addr);
	if (addr_is_loopback(&v4->addr))
		v6->addr.bytes[15] = 1;
	return addr_is_loopback(&v4->addr) || addr_is_any(&v4->addr);
}

int inherit_open(const struct lb_endpoint *endpoint, bool dual_stack, unsigned backlog, int fds[2],
		 struct error *error)
{
	bool is_v6 = !addr_is_v4(&endpoint->addr);
	struct lb_endpoint second;

	fds[0] = fds[1] = -1;
	fds[is_v6] = open_one(endpoint, !dual_stack, backlog, error);
	if (fds[is_v6] < 0)
		return fds[is_v6];
	if (is_v6 && dual_stack)
		fds[0] = fds[1];
	if (is_v6 || !dual_stack || !counterpart(endpoint, &second))
		return 0;
	fds[1] = open_one(&second, true, backlog, error);
	if (fds[1] >= 0)
		return 0;
	close(fds[0]);
	fds[0] = -1;
	return fds[1];
}

static bool is_bound_to(int fd, const struct lb_addr *addr)
{
	struct sockaddr_storage sa = {0};
	socklen_t length = sizeof(sa);
	struct lb_endpoint bound;

	return fd >= 0 && !getsockname(fd, (struct sockaddr *)&sa, &length) &&
	       !addr_from_sockaddr(&sa, &bound) && !memcmp(&bound.addr, addr, sizeof(*addr));
}

bool inherit_fits(const int fds[2], const struct lb_addr *addr, bool dual_stack)
{
	struct lb_endpoint endpoint = {.addr = *addr}, second;

	if (!is_bound_to(fds[!addr_is_v4(addr)], addr))
		return false;
	if (!addr_is_v4(addr))
		return dual_stack ? fds[0] == fds[1] : fds[0] < 0;
	return (fds[1] >= 0) == (dual_stack && counterpart(&endpoint, &second));
}

int inherit_listen_again(int fd, unsigned backlog)
{
	int listens = 0;
	socklen_t length = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length))
		return -errno;
	if (listen(fd, backlog ? backlog : SOMAXCONN))
		return -errno;
	return !listens;
}

void inherit_end(const int fds[2])
{
	static const struct linger none;

	for (int i = 0; i < 2; i++) {
		if (fds[i] < 0)
			continue;
		shutdown(fds[i], SHUT_RDWR);
		setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	}
}

void inherit_close(int fds[2], uid_t user)
{
	if (fds[0] >= 0)
		stranger_give_back(fds[0], user);
	if (fds[1] >= 0 && fds[1] != fds[0])
		stranger_give_back(fds[1], user);
	fds[0] = fds[1] = -1;
	stranger_flush();
}

uint64_t inherit_inode(int fd)
{
	struct stat st;

	return fd < 0 || fstat(fd, &st) ? 0 : st.st_ino;
}

int inherit_take(pid_t pid, int pidfd, uint64_t inode)
{
	char path[64], wanted[64], link[64];
	struct dirent *entry;
	int fd = -ENOENT;
	uid_t user = -1;
	DIR *dir;

	process_user(pid, &user, NULL);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	snprintf(wanted, sizeof(wanted), "socket:[%llu]", (unsigned long long)inode);
	dir = opendir(path);
	while (dir && fd < 0 && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = 0;
		if (strcmp(link, wanted))
			continue;
		fd = stranger_take(pidfd, atoi(entry->d_name), inode, user);
	}
	if (dir)
		closedir(dir);
	stranger_flush();
	return fd;
}
