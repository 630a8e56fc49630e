/* SPDX-License-Identifier: Apache-2.0 */
/* What a keeper gives the next lbd, and what that takes of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/net/notify.h"
#include "keeper/kept_notify.h"

#define NAME       "web:8081"
#define PATH       "/tmp/lbd-test-notify"
#define OTHER_PATH PATH ".other"

enum { PID = 4711, USER = 65534 };

static const struct kept_notify of = {USER, PID, NAME, "/sys/fs/cgroup/lbd/a b"};

static int bound(int type, const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void test_note(void **state)
{
	static const char *const bad[] = {"", "lbd-notify 1 0 1 web:8081\n", "lbd-notify 1 0 1 a b",
					  "lbd-notify 2 0 1 a b\n", "lbd-output 1\n"};
	char *note = kept_notify_print(&of);
	struct kept_notify read;
	const char *said;

	(void)state;
	assert_non_null(note);
	assert_int_equal(kept_notify_parse(note, &read, &said), 0);
	assert_int_equal(read.user, USER);
	assert_int_equal(read.pid, PID);
	assert_string_equal(read.name, NAME);
	assert_string_equal(read.cgroup, of.cgroup);
	assert_string_equal(said, "");
	free(note);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *text = strdup(bad[i]);

		assert_int_equal(kept_notify_parse(text, &read, &said), -EINVAL);
		free(text);
	}
}

/* One socket, given and received; no_descriptor: where there is none for it. */
static struct kept_notifies *give(int socket, const char *note, bool no_descriptor)
{
	struct rlimit before, none;
	struct kept_notifies *list = NULL;
	int queue[2], lowest;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, queue), 0);
	assert_int_equal(kept_notify_give(queue[1], note, "READY=1\n", socket), 0);
	close(queue[1]);
	getrlimit(RLIMIT_NOFILE, &before);
	lowest = dup(0);
	close(lowest);
	none = before;
	none.rlim_cur = lowest;
	if (no_descriptor)
		setrlimit(RLIMIT_NOFILE, &none);
	assert_true(kept_notify_receive(queue[0], &list));
	assert_false(kept_notify_receive(queue[0], &list));
	setrlimit(RLIMIT_NOFILE, &before);
	close(queue[0]);
	return list;
}

static void test_given(void **state)
{
	int socket = bound(SOCK_DGRAM, PATH), fd;
	char *note = kept_notify_print(&of), *said;
	struct kept_notifies *list = give(socket, note, false);

	(void)state;
	assert_int_equal(kept_notify_take(NULL, NAME, PID, &said), -1);
	assert_int_equal(kept_notify_take(list, NAME, PID + 1, &said), -1);
	assert_int_equal(kept_notify_take(list, "web:8082", PID, &said), -1);
	fd = kept_notify_take(list, NAME, PID, &said);
	assert_true(fd >= 0);
	assert_string_equal(said, "READY=1\n");
	close(fd);
	free(said);
	assert_int_equal(kept_notify_take(list, NAME, PID, &said), -1);
	assert_null(said);
	kept_notify_free(list);
	kept_notify_free(give(socket, note, false)); /* nobody takes it */
	kept_notify_free(give(socket, "of another version", false));
	free(note);
	close(socket);
	unlink(PATH);
}

/* The socket is lost, what was said is not. */
static void test_no_descriptor(void **state)
{
	int socket = bound(SOCK_DGRAM, PATH);
	char *note = kept_notify_print(&of), *said;
	struct kept_notifies *list = give(socket, note, true);

	(void)state;
	assert_int_equal(kept_notify_take(list, NAME, PID, &said), -1);
	assert_non_null(said);
	assert_string_equal(said, "READY=1\n");
	free(said);
	kept_notify_free(list);
	free(note);
	close(socket);
	unlink(PATH);
}

static void test_nobody_asks(void **state)
{
	int queue[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, queue), 0);
	close(queue[0]);
	assert_int_equal(kept_notify_give(queue[1], "a", "b", 0), -EPIPE);
	close(queue[1]);
}

static int heard;

static void on_message(void *arg, pid_t sender, const char *name, const char *value)
{
	(void)arg, (void)name, (void)value;
	assert_int_equal(sender, getpid());
	heard++;
}

static void send_to(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(sendto(fd, "READY=1\nX=y", 11, 0, (struct sockaddr *)&sa, sizeof(sa)), 11);
	close(fd);
}

/* Handed from one receiver to the next, with what is in its queue. */
static void test_adopt(void **state)
{
	struct notify *notify;
	sd_event *event;
	int fd;

	(void)state;
	heard = 0;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(notify_new(event, PATH, 0, on_message, NULL, &notify), 0);
	send_to(PATH);
	fd = notify_release(notify);
	assert_int_equal(notify_adopt(event, fd, PATH, 0, on_message, NULL, &notify), 0);
	assert_true(sd_event_run(event, 60 * 1000 * 1000) > 0);
	assert_int_equal(heard, 2);
	fd = dup(notify_fd(notify));
	notify_leave(notify);
	send_to(PATH);
	assert_int_equal(notify_adopt(event, fd, PATH, 0, on_message, NULL, &notify), 0);
	assert_true(sd_event_run(event, 60 * 1000 * 1000) > 0);
	assert_int_equal(heard, 4);
	notify_remove(notify, PATH);
	assert_int_equal(access(PATH, F_OK), -1);
	notify_free(notify);
	sd_event_unref(event);
}

/* Whatever is given: only what was bound there is heard in its place. */
static void test_adopt_nothing_else(void **state)
{
	int stream = bound(SOCK_STREAM, PATH), pipes[2], unbound, other, gone;
	struct notify *notify = NULL;
	sd_event *event;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(pipe(pipes), 0);
	unbound = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	other = bound(SOCK_DGRAM, OTHER_PATH);
	for (int i = 0; i < 4; i++) {
		int fd = (int[]){stream, pipes[0], unbound, other}[i];

		assert_int_equal(notify_adopt(event, fd, PATH, 0, on_message, NULL, &notify),
				 -ESTALE);
		close(fd);
	}
	gone = bound(SOCK_DGRAM, PATH);
	unlink(PATH);
	assert_int_equal(notify_adopt(event, gone, PATH, 0, on_message, NULL, &notify), -ESTALE);
	assert_null(notify);
	close(gone);
	close(pipes[1]);
	unlink(OTHER_PATH);
	sd_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_note),          cmocka_unit_test(test_given),
		cmocka_unit_test(test_no_descriptor), cmocka_unit_test(test_nobody_asks),
		cmocka_unit_test(test_adopt),         cmocka_unit_test(test_adopt_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
