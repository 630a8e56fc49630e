/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
#include <bpf/btf.h>
#include <cmocka.h>

#include "host/process/program.h"
#include "host/process/stranger.h"
#include "unit/own_netns.h"

struct row {
	const char *name, *address;
	int family;
	bool v6only, is_v6_found, v6only_found;
	const char *mapped; /* as 16 bytes */
};

static const struct row rows[] = {
	{"loopback", "127.0.0.1", AF_INET, false, false, false, "::ffff:127.0.0.1"},
	{"any of IPv4", "0.0.0.0", AF_INET, false, false, false, "::ffff:0.0.0.0"},
	{"loopback of IPv6", "::1", AF_INET6, false, true, true, "::1"},
	{"both families", "::", AF_INET6, false, true, false, "::"},
	{"any of IPv6 alone", "::", AF_INET6, true, true, true, "::"},
};

static int bound(int family, const char *address, uint16_t port, bool v6only)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int on = v6only, one = 1, fd = socket(family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET) {
		assert_int_equal(inet_pton(family, address, &v4.sin_addr), 1);
		assert_int_equal(bind(fd, (void *)&v4, sizeof(v4)), 0);
	} else {
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
		assert_int_equal(inet_pton(family, address, &v6.sin6_addr), 1);
		assert_int_equal(bind(fd, (void *)&v6, sizeof(v6)), 0);
	}
	return fd;
}

static int listening(int family, const char *address, uint16_t port, bool v6only, int backlog)
{
	int fd = bound(family, address, port, v6only);

	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int connected(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (void *)&to, sizeof(to)), 0);
	return fd;
}

static uint32_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

struct seen {
	struct sockets_listener last;
	unsigned count;
};

static void see(void *arg, const struct sockets_listener *listener)
{
	struct seen *seen = arg;

	seen->last = *listener;
	seen->count++;
}

static void test_rows(void **state)
{
	(void)state;
	need_privilege();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		int fd = listening(row->family, row->address, 7001, row->v6only, 9);
		struct in6_addr mapped;
		struct seen seen = {0};

		print_message("%s\n", row->name);
		inet_pton(AF_INET6, row->mapped, &mapped);
		assert_int_equal(sockets_each_listener(7001, see, &seen), 0);
		assert_int_equal(seen.count, 1);
		assert_memory_equal(seen.last.endpoint.addr.bytes, &mapped, 16);
		assert_int_equal(seen.last.endpoint.port, htons(7001));
		assert_int_equal(seen.last.endpoint.protocol, IPPROTO_TCP);
		assert_int_equal(seen.last.is_v6, row->is_v6_found);
		assert_int_equal(seen.last.v6only, row->v6only_found);
		assert_int_equal(seen.last.inode, inode_of(fd));
		assert_int_equal(seen.last.backlog, 9);
		close(fd);
	}
}

static void test_queue_and_cookie(void **state)
{
	int fd, clients[3];
	struct seen seen = {0};
	uint64_t cookie;
	socklen_t length = sizeof(cookie);

	(void)state;
	need_privilege();
	fd = listening(AF_INET, "127.0.0.1", 7002, false, 16);
	for (int i = 0; i < 3; i++)
		clients[i] = connected(7002);
	assert_int_equal(sockets_each_listener(7002, see, &seen), 0);
	assert_int_equal(seen.last.queue, 3);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length), 0);
	assert_true(seen.last.cookie == cookie);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
	close(fd);
}

/* More than one datagram of the dump; and port 0 is all of them, connections are none. */
/* One that has bound another port and does not listen has nothing to do with it. */
static void test_on_port(void **state)
{
	int other = bound(AF_INET, "127.0.0.1", 7003, false), none, fd;
	int other6 = bound(AF_INET6, "::1", 7003, false);
	struct seen seen = {0};

	(void)state;
	need_privilege();
	assert_int_equal(sockets_each_on_port(7004, see, &seen), 0);
	none = (int)seen.count;
	fd = bound(AF_INET, "127.0.0.1", 7004, false);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(sockets_each_on_port(7004, see, &seen), 0);
	close(fd);
	close(other);
	close(other6);
	assert_int_equal(none, 0);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.last.endpoint.port, htons(7004));
}

static void test_many(void **state)
{
	int fds[500], client;
	struct seen seen = {0};

	(void)state;
	need_privilege();
	for (int i = 0; i < 500; i++)
		fds[i] = listening(i & 1 ? AF_INET6 : AF_INET, i & 1 ? "::1" : "127.0.0.1",
				   10000 + i, false, 1);
	client = connected(10000);
	assert_int_equal(sockets_each_listener(0, see, &seen), 0);
	assert_int_equal(seen.count, 500);
	seen.count = 0;
	assert_int_equal(sockets_each_listener(9999, see, &seen), 0);
	assert_int_equal(seen.count, 0);
	close(client);
	for (int i = 0; i < 500; i++)
		close(fds[i]);
}

/* A process that holds these listeners alone. */
static pid_t fork_holder(const uint16_t *ports, size_t count, uint32_t *inodes)
{
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a test fails */
		for (size_t i = 0; i < count; i++)
			inodes[i] = inode_of(listening(AF_INET, "127.0.0.1", ports[i], false, 4));
		if (write(ready[1], inodes, count * sizeof(*inodes)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], inodes, count * sizeof(*inodes)), count * sizeof(*inodes));
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void test_holders(void **state)
{
	static const uint16_t ports[] = {7011, 7012};
	uint32_t inodes[5];
	struct sockets_holder holders[5] = {0};
	int own, shared;
	pid_t pid;

	(void)state;
	need_privilege();
	shared = listening(AF_INET, "127.0.0.1", 7014, false, 4);
	pid = fork_holder(ports, 2, inodes);
	own = listening(AF_INET, "127.0.0.1", 7013, false, 4);
	inodes[2] = inode_of(own);
	inodes[3] = 1;                /* no socket's */
	inodes[4] = inode_of(shared); /* the other's before our own */
	assert_int_equal(sockets_find_holders(inodes, 5, holders), 0);
	assert_int_equal(holders[0].pid, pid);
	assert_int_equal(holders[1].pid, pid);
	assert_int_equal(holders[2].pid, getpid());
	assert_int_equal(holders[2].fd, own);
	assert_int_equal(holders[3].pid, 0);
	assert_int_equal(holders[4].pid, pid);
	assert_string_equal(holders[0].comm, "test_sockets");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(own);
	close(shared);
}

/* The listener goes on when its first holder has died. */
static void test_take(void **state)
{
	static const uint16_t port = 7021;
	struct sockets_holder holder = {0};
	struct seen seen = {0};
	uint32_t inode;
	struct sockets_taken taken, again;
	pid_t pid;
	int client;

	(void)state;
	need_privilege();
	pid = fork_holder(&port, 1, &inode);
	assert_int_equal(sockets_find_holders(&inode, 1, &holder), 0);
	assert_int_equal(sockets_take(&holder, &taken), 0);
	assert_true(fcntl(taken.fd, F_GETFD) & FD_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	client = connected(port);
	assert_int_equal(sockets_each_listener(port, see, &seen), 0);
	assert_int_equal(seen.last.queue, 1);
	assert_int_equal(sockets_take(&holder, &again), -ESRCH);
	close(client);
	sockets_give_back(&taken);
	stranger_flush();
}

/* Another descriptor has taken the number meanwhile. */
static void test_take_stale(void **state)
{
	int fd, other;
	struct sockets_holder holder = {0};
	struct sockets_taken taken;

	(void)state;
	need_privilege();
	fd = listening(AF_INET, "127.0.0.1", 7022, false, 4);
	other = listening(AF_INET, "127.0.0.1", 7023, false, 4);
	holder = (struct sockets_holder){.pid = getpid(), .fd = fd, .inode = inode_of(fd)};
	dup2(other, fd);
	assert_int_equal(sockets_take(&holder, &taken), -ESTALE);
	holder.fd = 1000;
	assert_int_equal(sockets_take(&holder, &taken), -EBADF);
	stranger_flush();
	close(fd);
	close(other);
}

static void stay_root(void)
{
}

static void lend_root(void) /* as a set-user-ID program of a stranger's has it */
{
	assert_int_equal(setresuid(65534, 0, 0), 0);
}

static void save_root(void)
{
	assert_int_equal(setresuid(65534, 65534, 0), 0);
}

static void run_another(void)
{
	execlp("sleep", "sleep", "1000", NULL);
	_exit(127);
}

static const struct {
	const char *name;
	void (*become)(void);
	bool is_lbd;
} programs[] = {
	{"root's", stay_root, true},
	{"of a stranger with root's rights", lend_root, false},
	{"that may be root again", save_root, false},
	{"another program of root's", run_another, false},
};

/* The name lock's holder: a process that is ours, among all that have the socket. */
static void test_holder_that_is_lbd(void **state)
{
	(void)state;
	need_privilege();
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0), ready[2];
		uint32_t inode = inode_of(fd);
		struct sockets_holder holder = {0};
		char byte;
		pid_t pid;

		assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			programs[i].become();
			close(ready[0]);
			close(ready[1]);
			for (;;)
				pause();
		}
		close(fd);
		close(ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 0); /* it is what it becomes */
		close(ready[0]);
		assert_int_equal(sockets_find_holders(&inode, 1, &holder), 0);
		assert_int_equal(holder.pid, pid);
		assert_int_equal(sockets_find_holders_among(program_is_of, &inode, 1, &holder), 0);
		if (holder.pid != (programs[i].is_lbd ? pid : 0))
			fail_msg("%s: pid %d", programs[i].name, holder.pid);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static int tags_map(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC | BPF_F_CLONE);
	struct btf *btf = btf__new_empty();
	int fd;

	assert_non_null(btf);
	opts.btf_key_type_id = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	opts.btf_value_type_id = btf__add_int(btf, "__u64", 8, 0);
	assert_int_equal(btf__load_into_kernel(btf), 0);
	opts.btf_fd = btf__fd(btf);
	fd = bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "owners", 4, 8, 0, &opts);
	btf__free(btf);
	return fd;
}

static int own(int map, int fd, uint16_t backend, uint32_t generation)
{
	struct lb_tag tag = {.backend = backend, .generation = generation};

	return bpf_map_update_elem(map, &fd, &tag, BPF_ANY);
}

static int error_of(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
}

/* Only those of the backend and the generation end: accepted ones and those that wait in the queue. */
static void test_destroy(void **state)
{
	static const struct {
		uint16_t backend;
		uint32_t generation;
		bool ends;
	} tags[] = {{7, 3, true}, {7, 2, false}, {8, 3, false}};
	int map, listeners[3], clients[3], waiting[3], accepted[3];

	(void)state;
	need_privilege();
	map = tags_map();
	assert_true(map >= 0);
	for (int i = 0; i < 3; i++) {
		listeners[i] = listening(AF_INET, "127.0.0.1", 7031 + i, false, 4);
		assert_int_equal(own(map, listeners[i], tags[i].backend, tags[i].generation), 0);
		clients[i] = connected(7031 + i);
		accepted[i] = accept(listeners[i], NULL, NULL);
		waiting[i] = connected(7031 + i);
	}
	assert_int_equal(sockets_destroy_connections(map, 7, 3), 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(error_of(clients[i]), tags[i].ends ? ECONNRESET : EAGAIN);
		assert_int_equal(error_of(waiting[i]), tags[i].ends ? ECONNRESET : EAGAIN);
		assert_int_equal(error_of(accepted[i]), tags[i].ends ? ECONNABORTED : EAGAIN);
	}
	assert_int_equal(sockets_destroy_connections(map, 7, 3), 0);
	assert_int_equal(sockets_destroy_connections(map, 9, 1), 0);
	for (int i = 0; i < 3; i++) {
		close(listeners[i]);
		close(clients[i]);
		close(accepted[i]);
		close(waiting[i]);
	}
	close(map);
}

static void test_destroy_many(void **state)
{
	int map, listener, clients[600];

	(void)state;
	need_privilege();
	map = tags_map();
	listener = listening(AF_INET, "127.0.0.1", 7041, false, 1000);
	assert_int_equal(own(map, listener, 4095, 1), 0);
	for (int i = 0; i < 600; i++)
		clients[i] = connected(7041);
	assert_int_equal(sockets_destroy_connections(map, 4095, 1), 600);
	for (int i = 0; i < 600; i++) {
		assert_int_equal(error_of(clients[i]), ECONNRESET);
		close(clients[i]);
	}
	close(listener);
	close(map);
}

static void test_destroy_no_map(void **state)
{
	(void)state;
	need_privilege();
	assert_true(sockets_destroy_connections(0, 1, 1) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_queue_and_cookie),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_holders),
		cmocka_unit_test(test_on_port),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_holder_that_is_lbd),
		cmocka_unit_test(test_take_stale),
		cmocka_unit_test(test_destroy),
		cmocka_unit_test(test_destroy_many),
		cmocka_unit_test(test_destroy_no_map),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
