/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket with a handler that answers what the test wants, over a real socket. */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json_text.h"
#include "control/control.h"
#include "lb/ctl.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */
#include "base/printable.h"
#include "base/utf8.h"
#include "unit/descriptors.h"

enum { WAIT_MS = 60000, LINE_BYTES = 1 << 16, BURN_MS = 20 };

struct fixture {
	sd_event *event;
	struct control *control;
	char directory[64], path[96];
	struct control_request *held;
	unsigned requests, gone;
	bool may_change;
};

/* Processor time, as what it is that lbd counts. */
static void burn(void)
{
	struct timespec spent, end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	while ((spent.tv_sec - end.tv_sec) * 1000 + (spent.tv_nsec - end.tv_nsec) / 1000000 <
	       BURN_MS);
}

static void fake_request(void *arg, struct control_request *request, json_t *message,
			 bool may_change)
{
	struct fixture *f = arg;
	const char *verb = json_string_value(json_object_get(message, "verb"));

	f->requests++;
	f->may_change = may_change;
	if (!verb) {
		control_refuse(request, LB_CTL_REFUSED, "no verb");
	} else if (!strcmp(verb, "echo")) {
		control_reply(request, json_incref(message));
	} else if (!strcmp(verb, "say")) {
		control_progress(request, "half \xff way");
		control_message(request, "done %d", 7);
	} else if (!strcmp(verb, "hold")) {
		f->held = request;
	} else if (!strcmp(verb, "end")) {
		control_await_end(request);
	} else if (!strcmp(verb, "work")) {
		burn();
		control_reply(request, NULL);
	} else if (!strcmp(verb, "flood")) {
		f->held = request;
		for (int i = 0; i < 200; i++)
			control_progress(request, "%065000d", i);
	} else {
		control_refuse(request, 4, "unknown verb");
	}
}

static void fake_gone(void *arg, struct control_request *request)
{
	struct fixture *f = arg;

	assert_ptr_equal(request, f->held);
	f->held = NULL;
	f->gone++;
}

static const struct control_handler handler = {.request = fake_request, .gone = fake_gone};

/* Whose the socket is stays as it is. */
static const struct control_access standard = {.mode = -1, .owner = (uid_t)-1, .group = (gid_t)-1};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error error;

	snprintf(f->directory, sizeof(f->directory), "/tmp/lbd-control-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/control", f->directory);
	assert_true(sd_event_new(&f->event) >= 0);
	assert_int_equal(
		control_new(f->event, f->path, &standard, &handler, f, &f->control, &error), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	control_free(f->control);
	assert_int_equal(access(f->path, F_OK), -1);
	rmdir(f->directory);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sends all and runs the loop meanwhile, as lbd would. */
static void say(struct fixture *f, int fd, const char *text, size_t size)
{
	int64_t end_ms = now_ms() + WAIT_MS;
	ssize_t sent;

	while (size && now_ms() < end_ms) {
		sent = send(fd, text, size, MSG_NOSIGNAL);
		if (sent > 0) {
			text += sent;
			size -= sent;
		}
		sd_event_run(f->event, 1000);
	}
	assert_int_equal(size, 0);
}

/* Reads to a newline or the end of file; what came, without the newline. */
static const char *hear(struct fixture *f, int fd)
{
	static char line[LINE_BYTES + 1024];
	int64_t end_ms = now_ms() + WAIT_MS;
	size_t length = 0;
	ssize_t got = -1;

	while (now_ms() < end_ms && length < sizeof(line) - 1) {
		got = recv(fd, line + length, 1, 0);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			break;
		if (got < 0)
			sd_event_run(f->event, 1000);
		else if (line[length++] == '\n')
			break;
	}
	if (got < 0 && errno == EAGAIN)
		fail_msg("nothing came in time");
	line[length] = 0;
	if (length && line[length - 1] == '\n')
		line[length - 1] = 0;
	return line;
}

static void run_until(struct fixture *f, const unsigned *counter, unsigned value)
{
	int64_t end_ms = now_ms() + WAIT_MS;

	while (*counter != value && now_ms() < end_ms)
		sd_event_run(f->event, 10000);
	assert_int_equal(*counter, value);
}

static const struct exchange {
	const char *name, *request, *reply;
	bool closes;
} exchanges[] = {
	{"data", "{\"verb\": \"echo\"}\n", "{\"ok\":true,\"data\":{\"verb\":\"echo\"}}", false},
	{"refusal", "{\"verb\": \"x\"}\n", "{\"ok\":false,\"error\":\"unknown verb\",\"exit\":4}",
	 false},
	{"progress, no UTF-8", "{\"verb\": \"say\"}\n", "{\"progress\":\"half " BAD " way\"}",
	 false},
	{"no verb", "{}\n", "{\"ok\":false,\"error\":\"no verb\",\"exit\":1}", false},
	{"no object", "[1]\n", "{\"ok\":false,\"error\":\"request is no JSON object\",\"exit\":1}",
	 true},
	{"garbage", "\x01\xff\n", "{\"ok\":false,\"error\":\"request is no JSON object: ", true},
	{"empty line", "\n", "{\"ok\":false,\"error\":\"request is no JSON object: ", true},
	{"four levels", "{\"verb\":\"echo\",\"x\":[[[\"[[[[\\\"[[\"]]]}\n", "{\"ok\":true,", false},
	{"five levels", "{\"x\":[[[{\"y\":1}]]]}\n",
	 "{\"ok\":false,\"error\":\"request is nested deeper than 4 levels; its members are "
	 "words\"",
	 true},
	{"twice a member", "{\"verb\": 1, \"verb\": 2}\n",
	 "{\"ok\":false,\"error\":\"request is no JSON object: duplicate object key", true},
};

static void test_exchanges(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(exchanges) / sizeof(*exchanges); i++) {
		const struct exchange *row = &exchanges[i];
		int fd = dial(f);
		const char *reply;

		say(f, fd, row->request, strlen(row->request));
		reply = hear(f, fd);
		if (strncmp(reply, row->reply, strlen(row->reply)))
			fail_msg("%s: got %s", row->name, reply);
		if (row->closes)
			assert_string_equal(hear(f, fd), "");
		close(fd);
	}
}

static void test_pipelined(void **state)
{
	static const char text[] = "{\"verb\":\"hold\"}\n{\"verb\":\"say\"}\n{\"verb\":\"ech";
	struct fixture *f = *state;
	int fd = dial(f);

	say(f, fd, text, sizeof(text) - 1);
	run_until(f, &f->requests, 1);
	sd_event_run(f->event, 1000);
	assert_int_equal(f->requests, 1); /* one at a time */
	control_reply(f->held, NULL);
	assert_string_equal(hear(f, fd), "{\"ok\":true}");
	assert_string_equal(hear(f, fd), "{\"progress\":\"half " BAD " way\"}");
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"message\":\"done 7\"}");
	say(f, fd, "o\"}\n", 4);
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"data\":{\"verb\":\"echo\"}}");
	close(fd);
}

/* Who awaits the end gets the last word, who waits for anything else is let go before. */
static void test_last_word(void **state)
{
	static const char end[] = "{\"verb\":\"end\"}\n", hold[] = "{\"verb\":\"hold\"}\n";
	struct fixture *f = *state;
	int fds[] = {dial(f), dial(f), dial(f)};
	char byte;

	say(f, fds[0], end, sizeof(end) - 1);
	say(f, fds[1], hold, sizeof(hold) - 1);
	say(f, fds[2], end, sizeof(end) - 1);
	run_until(f, &f->requests, 3);
	control_close(f->control);
	assert_int_equal(f->gone, 1);
	assert_string_equal(hear(f, fds[1]), ""); /* before Linux 6.16 another process closes it */
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	control_end(f->control, "stopped");
	f->control = NULL;
	for (int i = 0; i < 3; i += 2) {
		assert_string_equal(hear(f, fds[i]), "{\"ok\":true,\"message\":\"stopped\"}");
		assert_string_equal(hear(f, fds[i]), "");
		close(fds[i]);
	}
	close(fds[1]);
}

static void test_half_closed(void **state)
{
	static const char text[] = "{\"verb\":\"echo\"}\n{\"verb\":\"say\"}\n";
	struct fixture *f = *state;
	int fd = dial(f);

	say(f, fd, text, sizeof(text) - 1);
	shutdown(fd, SHUT_WR);
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"data\":{\"verb\":\"echo\"}}");
	hear(f, fd);
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"message\":\"done 7\"}");
	assert_string_equal(hear(f, fd), "");
	close(fd);
}

static void test_one_mebibyte(void **state)
{
	struct fixture *f = *state;
	size_t size = 1 << 20;
	char *text = malloc(size);
	int fd = dial(f);

	memset(text, 'x', size);
	say(f, fd, text, size); /* all of it is taken, so that the error arrives */
	assert_string_equal(hear(f, fd), "{\"ok\":false,\"error\":\"request of more than 65536 "
					 "bytes\",\"exit\":1}");
	assert_string_equal(hear(f, fd), "");
	assert_int_equal(f->requests, 0);
	close(fd);
	free(text);
}

static void test_largest(void **state)
{
	static const char head[] = "{\"verb\":\"x\",\"pad\":\"";
	struct fixture *f = *state;
	char *text = malloc(LB_CTL_REQUEST_MAX);
	int fd = dial(f);

	memset(text, 'x', LB_CTL_REQUEST_MAX);
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + LB_CTL_REQUEST_MAX - 3, "\"}\n", 3);
	say(f, fd, text, LB_CTL_REQUEST_MAX);
	assert_string_equal(hear(f, fd), "{\"ok\":false,\"error\":\"unknown verb\",\"exit\":4}");
	close(fd);
	free(text);
}

static void test_silence(void **state)
{
	struct fixture *f = *state;
	int half, mute, waiting;

	control_set_silence(f->control, 50000);
	half = dial(f);
	mute = dial(f);
	waiting = dial(f);
	say(f, half, "{\"verb\":", 8);
	say(f, waiting, "{\"verb\":\"hold\"}\n", 16);
	assert_string_equal(hear(f, half), "");
	assert_string_equal(hear(f, mute), "");
	assert_non_null(f->held); /* who waits for lbd is not silent */
	control_reply(f->held, NULL);
	assert_string_equal(hear(f, waiting), "{\"ok\":true}");
	close(half);
	close(mute);
	close(waiting);
}

static void test_gone(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(f, fd, "{\"verb\":\"hold\"}\n", 16);
	run_until(f, &f->requests, 1);
	close(fd);
	run_until(f, &f->gone, 1);
}

static void test_slow_reader(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(f, fd, "{\"verb\":\"flood\"}\n", 17); /* 13 MB that it does not read */
	run_until(f, &f->gone, 1);
	close(fd);
}

/* All ask at once and wait; whoever has its reply leaves and makes room for another. */
static void test_thousand(void **state)
{
	enum { COUNT = 1000, BOTH_ENDS = 1200 };
	struct fixture *f = *state;
	int fds[COUNT];

	need_descriptors(BOTH_ENDS);
	for (int i = 0; i < COUNT; i++) {
		fds[i] = dial(f);
		assert_int_equal(send(fds[i], "{\"verb\":\"echo\"}\n", 16, 0), 16);
	}
	run_until(f, &f->requests, 64);
	for (int i = 0; i < 100; i++)
		sd_event_run(f->event, 0);
	assert_int_equal(f->requests, 64); /* the rest wait */
	for (int i = 0; i < COUNT; i++) {
		assert_string_equal(hear(f, fds[i]), "{\"ok\":true,\"data\":{\"verb\":\"echo\"}}");
		close(fds[i]);
	}
	assert_int_equal(f->requests, COUNT);
}

static void test_taken(void **state)
{
	struct fixture *f = *state;
	struct control *second = NULL;
	struct error error;

	assert_int_equal(control_new(f->event, f->path, &standard, &handler, f, &second, &error),
			 -EADDRINUSE);
	assert_non_null(strstr(error.text, "another lbd answers at /tmp/lbd-control-"));
	assert_int_equal(access(f->path, F_OK), 0);
}

static void test_left_behind(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control_access group_reads = standard;
	struct control *second = NULL;
	struct error error;
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	group_reads.mode = 0640;
	snprintf(path, sizeof(path), "%s/dead", f->directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(control_new(f->event, path, &group_reads, &handler, f, &second, &error),
			 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	control_free(second);
}

static const struct refusal {
	const char *path, *text;
} refusals[] = {
	{"/nonexistent/control", "control: cannot listen at /nonexistent/control: No "},
	{"/tmp/a-path-that-is-longer-than-the-one-hundred-and-eight-bytes-which-the-address-of-a-"
	 "unix-socket-has-room-for",
	 "control: path /tmp/a-path-that"},
};

static void test_refusals(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		const struct refusal *row = &refusals[i];
		struct control *control = NULL;
		struct error error;

		assert_true(control_new(f->event, row->path, &standard, &handler, f, &control,
					&error) < 0);
		if (strncmp(error.text, row->text, strlen(row->text)))
			fail_msg("%s: got %s", row->text, error.text);
		assert_null(control);
	}
}

/* The right of one who is not there is nobody's, and the other's is not lost by it. */
static void test_unknown_who(void **state)
{
	struct control_access found;
	struct error error;

	(void)state;
	assert_int_equal(control_find_access(0660, "no-such-user", "daemon", &found, &error),
			 -EINVAL);
	assert_string_equal(error.text,
			    "control: no user `no-such-user`; create it or name another");
	assert_int_equal(found.owner, geteuid());
	assert_int_equal(found.group, 1);
	assert_int_equal(control_find_access(0660, "daemon", "no-such-group", &found, &error),
			 -EINVAL);
	assert_string_equal(error.text,
			    "control: no group `no-such-group`; create it or name another");
	assert_int_equal(found.owner, 1);
	assert_int_equal(found.group, (gid_t)-1);
}

/* Connects as this user in these groups: the credentials that count are those at connect(2). */
static int dial_user(const char *path, uid_t user, gid_t main_group, gid_t extra_group)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(setgroups(1, &extra_group), 0);
	assert_int_equal(setegid(main_group), 0);
	assert_int_equal(seteuid(user), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	return fd;
}

static int dial_as(const char *path, gid_t main_group, gid_t extra_group)
{
	return dial_user(path, 65534, main_group, extra_group);
}

/* Lets everybody read. */
static void open_to_readers(struct fixture *f)
{
	struct control_access readers;
	struct error error;

	if (geteuid())
		skip();
	assert_int_equal(chmod(f->directory, 0755), 0);
	assert_int_equal(control_find_access(0666, NULL, "daemon", &readers, &error), 0);
	assert_int_equal(control_set_access(f->control, &readers, &error), 0);
}

static void test_closed_by_default(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void test_rights(void **state)
{
	static const struct {
		gid_t main_group, extra_group;
		bool may_change;
	} rows[] = {{65534, 65534, false}, {65534, 1, true}, {1, 65534, true}};
	struct fixture *f = *state;

	open_to_readers(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int fd = dial_as(f->path, rows[i].main_group, rows[i].extra_group);

		f->requests = 0;
		say(f, fd, "{\"verb\":\"echo\"}\n", 16);
		run_until(f, &f->requests, 1);
		assert_int_equal(f->may_change, rows[i].may_change);
		close(fd);
	}
}

static void expect_served(struct fixture *f, int fd)
{
	say(f, fd, "{\"verb\":\"echo\"}\n", 16);
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"data\":{\"verb\":\"echo\"}}");
}

/*
 * Three users that may only read hold as many connections as they can: root is served, so is a fourth
 * of them, and one that asks for more than its share is told.
 */
static void test_readers(void **state)
{
	enum { USERS = 3, EACH = 40 };
	struct fixture *f = *state;
	int fds[USERS][EACH], mine, fourth;

	open_to_readers(f);
	for (int user = 0; user < USERS; user++)
		for (int i = 0; i < EACH; i++)
			fds[user][i] = dial_user(f->path, 60001 + user, 65534, 65534);
	mine = dial(f);
	fourth = dial_user(f->path, 60000, 65534, 65534);
	expect_served(f, mine);
	expect_served(f, fourth);
	assert_string_equal(hear(f, fds[USERS - 1][EACH - 1]),
			    "{\"ok\": false, \"exit\": 1, \"error\": \"too many connections of "
			    "your user; close some\"}");
	close(mine);
	close(fourth);
	for (int user = 0; user < USERS; user++)
		for (int i = 0; i < EACH; i++)
			close(fds[user][i]);
}

/* Members of the group may change, and still cannot lock root out. */
static void test_changers(void **state)
{
	enum { COUNT = 70 };
	struct fixture *f = *state;
	int fds[COUNT], mine;

	open_to_readers(f);
	for (int i = 0; i < COUNT; i++)
		fds[i] = dial_as(f->path, 65534, 1);
	mine = dial(f);
	expect_served(f, mine);
	close(mine);
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
}

static void test_size_of_readers(void **state)
{
	struct fixture *f = *state;
	char text[4096];
	int fd;

	open_to_readers(f);
	fd = dial_as(f->path, 65534, 65534);
	memset(text, ' ', sizeof(text));
	say(f, fd, text, sizeof(text));
	assert_string_equal(hear(f, fd), "{\"ok\":false,\"error\":\"request of more than 4096 "
					 "bytes\",\"exit\":1}");
	close(fd);
}

/* It has a tenth of lbd's time: its second request waits, also on a connection anew; root's does not. */
static void test_time_of_readers(void **state)
{
	static const char work[] = "{\"verb\":\"work\"}\n";
	struct fixture *f = *state;
	int64_t start_ms;
	int fd, mine;

	open_to_readers(f);
	mine = dial(f);
	fd = dial_as(f->path, 65534, 65534);
	start_ms = now_ms();
	say(f, fd, work, sizeof(work) - 1);
	assert_string_equal(hear(f, fd), "{\"ok\":true}");
	close(fd);
	fd = dial_as(f->path, 65534, 65534);
	say(f, fd, work, sizeof(work) - 1);
	expect_served(f, mine);
	assert_string_equal(hear(f, fd), "{\"ok\":true}");
	assert_true(now_ms() - start_ms >= 9 * BURN_MS);
	close(fd);
	close(mine);
}

/* A worker between fork and exec has a copy of each descriptor: epoll goes on telling of those closed. */
static void test_closed_while_another_has_it(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), other = dial(f);
	pid_t child;

	expect_served(f, fd);
	child = fork();
	if (!child) {
		while (true)
			pause();
	}
	close(fd);
	for (int i = 0; i < 10; i++) {
		sd_event_run(f->event, 1000);
		expect_served(f, other);
	}
	close(other);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void test_strings(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *json;
	} rows[] = {
		{"plain", 5, "\"plain\""},
		{"", 0, "\"\""},
		{"gr\xc3\xbc\xc3\x9f", 6, "\"gr\xc3\xbc\xc3\x9f\""},
		{"cut \xc3", 5, "\"cut " BAD "\""},
		{"\xe2\x82\xac \xe2\x82", 6, "\"\xe2\x82\xac " BAD BAD "\""},
		{"\xc0\x80\xed\xa0\x80", 5, "\"" BAD BAD BAD BAD BAD "\""},
		{"\xf4\x90\x80\x80\xff", 5, "\"" BAD BAD BAD BAD BAD "\""},
		{"a\0b\xff", 4, "\"a\\u0000b" BAD "\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *string = json_text_bytes(rows[i].bytes, rows[i].length);
		char *text = json_dumps(string, JSON_ENCODE_ANY);

		assert_string_equal(text, rows[i].json);
		free(text);
		json_decref(string);
	}
}

static void test_unfinished(void **state)
{
	static const struct {
		const char *text;
		size_t unfinished;
	} rows[] = {
		{"", 0},
		{"a", 0},
		{"\xc3", 1},
		{"a\xc3", 1},
		{"\xc3\xbc", 0},
		{"\xe2\x82", 2},
		{"\xe2\x82\xac", 0},
		{"\xf0\x9f\x98", 3},
		{"\x80\x80", 0},
		{"\xff", 0},
		{"\xf0\x9f\x98\x80", 0},
		{"\x80\x80\x80\x80", 0},
		{"\xc3\x80\x80", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(utf8_unfinished(rows[i].text, strlen(rows[i].text)),
				 rows[i].unfinished);
}

/* What a terminal would obey, or not show. */
static void test_printable(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *shown;
	} rows[] = {
		{"a\tb\n\xc3\xbc", 6, "a\tb\n\xc3\xbc"},
		{"\033[1m\0x\177", 7, "?[1m?x?"},
		{"\xc2\x9b \x9b", 4, "? ?"},
		{"\u061c\u200b\u200e\u200f\u2028\u2029", 17, "??????"},
		{"\u202a\u202e\u2060\u2066\u2069\ufeff\ufffd", 21, "???????"},
		{"\U000e0041x", 5, "?x"},
		/* joiners, soft hyphens, variation selectors: words are written with them */
		{"\u200c\u200d\u00ad", 8, "\u200c\u200d\u00ad"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[64];

		memcpy(text, rows[i].text, rows[i].length);
		assert_int_equal(printable(text, rows[i].length), strlen(rows[i].shown));
		assert_string_equal(text, rows[i].shown);
	}
}

static size_t encode(uint32_t code, char text[4])
{
	size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = length - 1; i > 0; i--, code >>= 6)
		text[i] = (char)(0x80 | (code & 0x3f));
	text[0] = (char)(length == 1 ? code : (0xf00 >> length & 0xff) | code);
	return length;
}

/* Of each of its ranges the first and the last, and their neighbours, which are shown. */
static void test_printable_ranges(void **state)
{
	static const uint32_t obeyed[] = {
		0x00,    0x08,    0x0b,    0x1f,    0x7f,    0x80,    0x9f,   0x34f,  0x61c,
		0x115f,  0x1160,  0x17b4,  0x17b5,  0x180e,  0x200b,  0x200e, 0x200f, 0x2028,
		0x202e,  0x2060,  0x206f,  0x3164,  0xfeff,  0xffa0,  0xfff0, 0xfffd, 0x1bca0,
		0x1bca3, 0x1d173, 0x1d17a, 0xe0000, 0xe0100, 0xe0fff,
	};
	static const uint32_t shown[] = {
		0x09,    0x0a,    0x20,    0x7e,    0xa0,    0xad,   0x34e,  0x350,  0x61b,
		0x61d,   0x115e,  0x1161,  0x17b3,  0x17b6,  0x180b, 0x180d, 0x180f, 0x200a,
		0x200c,  0x200d,  0x2010,  0x2027,  0x202f,  0x205f, 0x2070, 0x3163, 0x3165,
		0xfe00,  0xfe0f,  0xfefe,  0xff00,  0xff9f,  0xffa1, 0xffef, 0xfffe, 0x1bc9f,
		0x1bca4, 0x1d172, 0x1d17b, 0xdffff, 0xe1000,
	};
	char text[5], before[5];

	(void)state;
	for (size_t i = 0; i < sizeof(obeyed) / sizeof(*obeyed); i++)
		if (printable(text, encode(obeyed[i], text)) != 1 || *text != '?')
			fail_msg("U+%04X is left as it is", obeyed[i]);
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		size_t length = encode(shown[i], text);

		memcpy(before, text, length);
		if (printable(text, length) != length || memcmp(text, before, length))
			fail_msg("U+%04X is taken away", shown[i]);
	}
}

#define WITH_SOCKET(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOCKET(test_exchanges),
		WITH_SOCKET(test_pipelined),
		WITH_SOCKET(test_last_word),
		WITH_SOCKET(test_half_closed),
		WITH_SOCKET(test_one_mebibyte),
		WITH_SOCKET(test_largest),
		WITH_SOCKET(test_silence),
		WITH_SOCKET(test_gone),
		WITH_SOCKET(test_slow_reader),
		WITH_SOCKET(test_thousand),
		WITH_SOCKET(test_taken),
		WITH_SOCKET(test_left_behind),
		WITH_SOCKET(test_refusals),
		WITH_SOCKET(test_unknown_who),
		WITH_SOCKET(test_rights),
		WITH_SOCKET(test_readers),
		WITH_SOCKET(test_closed_by_default),
		WITH_SOCKET(test_changers),
		WITH_SOCKET(test_size_of_readers),
		WITH_SOCKET(test_time_of_readers),
		WITH_SOCKET(test_closed_while_another_has_it),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_printable_ranges),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
