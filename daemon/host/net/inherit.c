/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/inherit.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "host/net/inherit_options.h"
#include "host/net/match.h"
#include "host/process/inspect.h"
#include "host/process/process.h"
#include "host/process/stranger.h"

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/* How sockets are opened. */
struct manner {
	bool dual_stack;
	unsigned backlog;
	bool beside_old; /* while those before them still listen there */
};

static int listen_on(int fd, const struct lb_endpoint *endpoint, bool only_v6,
		     const struct manner *manner)
{
	struct sockaddr_storage sa;
	socklen_t length = addr_to_sockaddr(endpoint, &sa);
	int err = inherit_set_options(fd);

	if (!err && manner->beside_old)
		err = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (!err && sa.ss_family == AF_INET6)
		err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only_v6);
	if (err)
		return err;
	if (bind(fd, (struct sockaddr *)&sa, length) ||
	    listen(fd, manner->backlog ? manner->backlog : SOMAXCONN))
		return -errno;
	return 0;
}

static int open_one(const struct lb_endpoint *endpoint, bool only_v6, const struct manner *manner,
		    struct error *error)
{
	int family = addr_is_v4(&endpoint->addr) ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : listen_on(fd, endpoint, only_v6, manner);
	char text[ADDR_TEXT_BYTES];

	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return error_set(
		error, err, "listen %s: %s%s", addr_format_endpoint(endpoint, text), strerror(-err),
		err == -EADDRINUSE ? "; end what listens there (ss -ltnp), or change `ports`" : "");
}

static int open_all(const struct lb_endpoint *endpoint, const struct manner *manner, int fds[2],
		    struct error *error)
{
	bool dual_stack = manner->dual_stack;
	bool is_v6 = !addr_is_v4(&endpoint->addr);
	struct lb_endpoint second;

	fds[0] = fds[1] = -1;
	fds[is_v6] = open_one(endpoint, !dual_stack, manner, error);
	if (fds[is_v6] < 0)
		return fds[is_v6];
	if (is_v6 && dual_stack)
		fds[0] = fds[1];
	if (is_v6 || !dual_stack || !match_counterpart(endpoint, &second))
		return 0;
	fds[1] = open_one(&second, true, manner, error);
	if (fds[1] >= 0)
		return 0;
	close(fds[0]);
	fds[0] = -1;
	return fds[1];
}

int inherit_open(const struct lb_endpoint *endpoint, bool dual_stack, unsigned backlog, int fds[2],
		 struct error *error)
{
	return open_all(endpoint, &(struct manner){dual_stack, backlog, false}, fds, error);
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
	return (fds[1] >= 0) == (dual_stack && match_counterpart(&endpoint, &second));
}

int inherit_listen_again(int fd, unsigned backlog)
{
	int listens = 0;
	socklen_t length = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length))
		listens = 0;
	/* One that listens does so on, with the backlog that it had. */
	if (listen(fd, backlog ? backlog : SOMAXCONN))
		return listens ? 0 : -errno;
	return !listens;
}

/* Of those that are there. */
static void set_both(const int fds[2], int option, int value)
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			set_option(fds[i], SOL_SOCKET, option, value);
}

/*
 * By its owner the kernel knows who may listen beside another (SO_REUSEPORT, socket(7)): whoever holds one of
 * lbd's could do so beside the next.  fchown(2) gives a socket another owner.
 */
static bool disown_listeners(const int fds[2], uid_t user)
{
	bool is_done = true;

	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0 && fchown(fds[i], user, -1))
			is_done = false;
	return is_done;
}

void inherit_end(const int fds[2], uid_t user)
{
	static const struct linger none;

	/* One that is still open somewhere has the port, and the next is bound beside it. */
	set_both(fds, SO_REUSEADDR, 1);
	disown_listeners(fds, user);
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

static int open_beside(const struct lb_endpoint *endpoint, const struct manner *manner,
		       const int old[2], uid_t user, int fds[2], struct error *error)
{
	int err;

	/* Who had them may have cleared either. */
	set_both(old, SO_REUSEADDR, 1);
	set_both(old, SO_REUSEPORT, 1);
	err = open_all(endpoint, manner, fds, error);
	if (err || disown_listeners(old, user))
		return err;
	close(fds[0] >= 0 ? fds[0] : fds[1]);
	if (fds[0] >= 0 && fds[1] >= 0 && fds[1] != fds[0])
		close(fds[1]);
	return -EPERM;
}

/* The program that chooses within such a group (SO_ATTACH_REUSEPORT_CBPF) was attached by who had the old ones. */
static void set_reuseport_program(const int fds[2])
{
	set_both(fds, SO_REUSEPORT, 0);
	set_both(fds, SO_DETACH_REUSEPORT_BPF, 0);
}

int inherit_renew(const struct lb_endpoint *endpoint, bool dual_stack, unsigned backlog, int fds[2],
		  uid_t user, struct error *error)
{
	struct manner manner = {dual_stack, backlog, fds[0] >= 0 || fds[1] >= 0};
	int fresh[2], err;

	err = open_beside(endpoint, &manner, fds, user, fresh, error);
	inherit_end(fds, user);
	inherit_close(fds, user);
	if (err && manner.beside_old)
		err = inherit_open(endpoint, dual_stack, backlog, fresh, error);
	else if (!err)
		set_reuseport_program(fresh);
	if (err)
		return err;
	memcpy(fds, fresh, sizeof(fresh));
	return 0;
}

uint64_t inherit_inode(int fd)
{
	struct stat st;

	return fd < 0 || fstat(fd, &st) ? 0 : st.st_ino;
}

/*
 * Each try is a process: a worker that exchanges its descriptors is not to be followed for ever.  It is looked for
 * again, since a child on its way to exec moves its listeners down (put_descriptors(), spawn_child.c), to numbers that
 * were looked at already.
 */
enum { TAKE_TRIES = 16, TAKE_WALKS = 3, TAKE_DESCRIPTORS = 32768 };

struct taking {
	pid_t pid;
	uid_t user;
	uint64_t inode;
	unsigned tries;
	int fd;
};

static bool take_one(void *arg, pid_t thread, const struct lb_descriptor *descriptor)
{
	struct taking *taking = arg;
	int process;

	if (descriptor->inode != taking->inode)
		return true;
	process = process_open_thread(taking->pid, thread);
	if (process < 0)
		return true; /* gone, or out of reach */
	taking->fd = stranger_take(process, (int)descriptor->fd, taking->inode, taking->user);
	close(process);
	return taking->fd < 0 && taking->fd != -ETIMEDOUT && ++taking->tries < TAKE_TRIES;
}

/* Not where it was looked for, or not any more. */
static bool is_elsewhere(const struct taking *taking)
{
	return taking->fd == -ENOENT || taking->fd == -EBADF || taking->fd == -ESTALE;
}

int inherit_take(pid_t pid, uint64_t inode)
{
	struct taking taking = {pid, -1, inode, 0, -ENOENT};
	uint32_t left = TAKE_DESCRIPTORS * INSPECT_DESCRIPTOR;
	int all = 1;

	process_user(pid, &taking.user, NULL);
	for (unsigned walk = 0; walk < TAKE_WALKS && all > 0 && is_elsewhere(&taking); walk++)
		all = inspect_each_descriptor(pid, &left, take_one, &taking);
	stranger_flush();
	if (all < 0)
		return all;
	return is_elsewhere(&taking) ? -ENOENT : taking.fd;
}
