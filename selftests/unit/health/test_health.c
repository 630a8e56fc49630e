/* SPDX-License-Identifier: Apache-2.0 */
/* Checks against a small server on the same loop. */
#include "unit/worker_lab.h"

#include <sys/socket.h>

#include "health/health.h"

enum { MAX_CLIENTS = 16 };

/* Answers the n-th connection with the n-th of these; the last one stays. NULL: none, kept open. */
struct server {
	sd_event *event;
	sd_event_source *source, *clients[MAX_CLIENTS];
	int fd;
	const char *const *replies;
	int connections;
	char request[2048]; /* the last one */
	bool keeps_open;    /* after its answer */
	uint16_t port;
};

static int on_request(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct server *server = arg;
	const char *reply = server->replies[0];
	ssize_t n = recv(fd, server->request, sizeof(server->request) - 1, MSG_DONTWAIT);

	(void)events;
	if (n <= 0) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		return 0;
	}
	server->request[n] = 0;
	if (server->replies[1])
		server->replies++;
	if (!reply)
		return 0;
	assert_int_equal(send(fd, reply, strlen(reply), MSG_NOSIGNAL), strlen(reply));
	if (!server->keeps_open)
		shutdown(fd, SHUT_WR);
	return 0;
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct server *server = arg;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	sd_event_source **slot = &server->clients[server->connections++ % MAX_CLIENTS];

	(void)source, (void)events;
	assert_true(client >= 0);
	sd_event_source_disable_unref(*slot);
	*slot = NULL;
	assert_true(sd_event_add_io(server->event, slot, client, EPOLLIN, on_request, server) >= 0);
	sd_event_source_set_io_fd_own(*slot, 1);
	return 0;
}

static void server_open(struct server *server, sd_event *event, const char *const *replies)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(sa);

	memset(server, 0, sizeof(*server));
	server->event = event;
	server->replies = replies;
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->fd, (void *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(server->fd, 16), 0);
	assert_int_equal(getsockname(server->fd, (void *)&sa, &length), 0);
	server->port = sa.sin_port;
	assert_true(sd_event_add_io(event, &server->source, server->fd, EPOLLIN, on_client,
				    server) >= 0);
}

static void server_close(struct server *server)
{
	for (int i = 0; i < MAX_CLIENTS; i++)
		sd_event_source_disable_unref(server->clients[i]);
	sd_event_source_disable_unref(server->source);
	close(server->fd);
}

struct watcher {
	int changes;
	bool healthy;
	char why[256];
	bool awaits;
};

static void on_changed(void *arg, bool healthy, const char *why)
{
	struct watcher *watcher = arg;

	watcher->changes++;
	watcher->healthy = healthy;
	snprintf(watcher->why, sizeof(watcher->why), "%s", why);
}

static bool awaits(void *arg)
{
	const struct watcher *watcher = arg;

	return watcher->awaits;
}

static const struct health_ops watcher_ops = {.changed = on_changed, .awaited = awaits};

struct judged {
	const char *name;
	enum conf_health_kind kind;
	const char *reply, *command;
	bool keeps_open, no_server;
	unsigned status_min, status_max;
	bool healthy;
	const char *why;     /* its beginning */
	const char *request; /* its beginning */
};

#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define BAD "HTTP/1.1 503 x\r\n\r\n"

static const struct judged judged[] = {
	{.name = "tcp", .kind = HEALTH_TCP, .healthy = true, .why = "connected in "},
	{.name = "tcp refused", .kind = HEALTH_TCP, .no_server = true, .why = "Connection refused"},
	{.name = "http",
	 .kind = HEALTH_HTTP,
	 .reply = OK,
	 .healthy = true,
	 .why = "200 in ",
	 .request = "GET /healthz?a=1 HTTP/1.1\r\nHost: 127.0.0.1:"},
	{.name = "http refused",
	 .kind = HEALTH_HTTP,
	 .no_server = true,
	 .why = "Connection refused"},
	{.name = "http, connection kept open",
	 .kind = HEALTH_HTTP,
	 .reply = OK,
	 .keeps_open = true,
	 .healthy = true,
	 .why = "200 in "},
	{.name = "http/1.0",
	 .kind = HEALTH_HTTP,
	 .reply = "HTTP/1.0 204 \r\n\r\n",
	 .healthy = true,
	 .why = "204 in "},
	{.name = "no reason phrase",
	 .kind = HEALTH_HTTP,
	 .reply = "HTTP/1.1 200\r\n\r\n",
	 .healthy = true,
	 .why = "200 in "},
	{.name = "error",
	 .kind = HEALTH_HTTP,
	 .reply = "HTTP/1.1 503 Busy\r\n\r\n",
	 .why = "503, allowed are 200-399"},
	{.name = "redirect, allowed",
	 .kind = HEALTH_HTTP,
	 .reply = "HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n",
	 .healthy = true,
	 .why = "302 in "},
	{.name = "redirect, not allowed",
	 .kind = HEALTH_HTTP,
	 .status_min = 200,
	 .status_max = 299,
	 .reply = "HTTP/1.1 302 Found\r\nX: y\r\nlocation:  /login\r\n\r\n",
	 .why = "302, a redirect to /login, which is not followed; allowed are 200-299"},
	{.name = "redirect to nowhere",
	 .kind = HEALTH_HTTP,
	 .status_min = 200,
	 .status_max = 299,
	 .reply = "HTTP/1.1 302 Found\r\n\r\n",
	 .why = "302, a redirect to nowhere"},
	{.name = "other range",
	 .kind = HEALTH_HTTP,
	 .status_min = 401,
	 .status_max = 401,
	 .reply = "HTTP/1.1 401 No\r\n\r\n",
	 .healthy = true,
	 .why = "401 in "},
	{.name = "closes", .kind = HEALTH_HTTP, .reply = "", .why = "closed without an answer"},
	{.name = "not http",
	 .kind = HEALTH_HTTP,
	 .reply = "SSH-2.0-x\r\n",
	 .why = "answer is not HTTP/1"},
	{.name = "half a status",
	 .kind = HEALTH_HTTP,
	 .reply = "HTTP/1.1 20",
	 .why = "answer is not"},
	{.name = "four digits",
	 .kind = HEALTH_HTTP,
	 .reply = "HTTP/1.1 2000 OK\r\n\r\n",
	 .why = "answer is not"},
	{.name = "silent", .kind = HEALTH_HTTP, .reply = NULL, .why = "no answer within 200 ms"},
	{.name = "exec",
	 .kind = HEALTH_EXEC,
	 .command = "sh -c 'test $$LBD_ADDRESS:$$LBD_PORT = "
		    "127.0.0.1:$port'",
	 .healthy = true,
	 .why = "exit code 0 in "},
	{.name = "exec fails",
	 .kind = HEALTH_EXEC,
	 .command = "sh -c 'exit 3'",
	 .why = "exit code 3"},
	{.name = "exec killed",
	 .kind = HEALTH_EXEC,
	 .command = "sh -c 'kill -9 $$$$'",
	 .why = "killed by SIGKILL"},
	{.name = "exec hangs",
	 .kind = HEALTH_EXEC,
	 .command = "sh -c 'sleep 61 & sleep 61'",
	 .why = "no answer within 200 ms"},
	{.name = "exec missing",
	 .kind = HEALTH_EXEC,
	 .command = "no-such-check",
	 .why = "command no-such-check: No such file"},
};

static struct lb_endpoint endpoint_of(uint16_t port)
{
	return (struct lb_endpoint){
		.addr = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}},
		.port = port,
		.protocol = IPPROTO_TCP};
}

static struct conf_health conf_of(const struct judged *row)
{
	bool slow = row->kind == HEALTH_EXEC ? !row->healthy : !row->reply || row->keeps_open;

	return (struct conf_health){.kind = row->kind,
				    .path = (char *)"/healthz?a=1",
				    .command = (char *)row->command,
				    .status_min = row->status_min ? row->status_min : 200,
				    .status_max = row->status_max ? row->status_max : 399,
				    .interval_ms = 100,
				    .timeout_ms =
					    slow ? 200 : 60000, /* a loaded machine is no failure */
				    .rise = 1,
				    .fall = 1};
}

static void test_judged(void **state)
{
	struct outgoing *outgoing = outgoing_new();

	(void)state;
	assert_non_null(outgoing);
	for (size_t i = 0; i < sizeof(judged) / sizeof(*judged); i++) {
		const struct judged *row = &judged[i];
		const char *replies[] = {row->reply, NULL};
		struct conf_health conf = conf_of(row);
		struct watcher watcher = {0};
		struct lb_endpoint endpoint;
		struct health *health;
		struct server server;
		struct lab lab;

		lab_open(&lab, false);
		server_open(&server, lab.event, replies);
		server.keeps_open = row->keeps_open;
		endpoint = endpoint_of(server.port);
		if (row->no_server)
			server_close(&server);
		assert_int_equal(health_new(lab.event, outgoing, NULL, &conf, &endpoint,
					    &watcher_ops, &watcher, &health, &lab.error),
				 0);
		lab_await(&lab, watcher.changes, 1);
		if (watcher.healthy != row->healthy ||
		    strncmp(watcher.why, row->why, strlen(row->why)))
			fail_msg("%s: %d \"%s\"", row->name, watcher.healthy, watcher.why);
		assert_string_equal(health_last(health), watcher.why);
		if (row->request)
			assert_memory_equal(server.request, row->request, strlen(row->request));
		health_free(health);
		if (!row->no_server)
			server_close(&server);
		lab_close(&lab);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
	outgoing_free(outgoing);
}

static const char *const rises_and_falls[] = {OK,
					      "HTTP/1.1 500 x\r\n\r\n",
					      OK,
					      OK, /* up here */
					      "HTTP/1.1 500 x\r\n\r\n",
					      "HTTP/1.1 500 x\r\n\r\n",
					      OK,
					      "HTTP/1.1 500 x\r\n\r\n",
					      "HTTP/1.1 500 x\r\n\r\n",
					      "HTTP/1.1 500 x\r\n\r\n", /* down here */
					      OK,
					      OK /* up here */,
					      OK,
					      OK,
					      OK,
					      OK,
					      NULL};

/* Only changes are reported, and only after as many in a row. */
static void test_rise_and_fall(void **state)
{
	struct conf_health conf = {.kind = HEALTH_HTTP,
				   .path = (char *)"/",
				   .host = (char *)"me.test",
				   .status_min = 200,
				   .status_max = 399,
				   .interval_ms = 10,
				   .timeout_ms = 60000,
				   .rise = 2,
				   .fall = 3};
	static const int when[] = {4, 10, 12};
	struct watcher watcher = {0};
	struct lb_endpoint endpoint;
	struct health *health;
	struct server server;
	struct lab lab;

	(void)state;
	lab_open(&lab, false);
	server_open(&server, lab.event, rises_and_falls);
	endpoint = endpoint_of(server.port);
	assert_int_equal(health_new(lab.event, NULL, NULL, &conf, &endpoint, &watcher_ops, &watcher,
				    &health, &lab.error),
			 0);
	for (int change = 1; change <= 3; change++) {
		lab_await(&lab, watcher.changes, change);
		assert_int_equal(watcher.changes, change);
		assert_int_equal(watcher.healthy, change % 2);
		assert_int_equal(server.connections, when[change - 1]);
	}
	lab_await(&lab, server.connections, 16);
	assert_int_equal(watcher.changes, 3);
	assert_non_null(strstr(server.request, "\r\nHost: me.test\r\n"));
	health_free(health);
	server_close(&server);
	lab_close(&lab);
}

static const struct {
	const char *replies[6];
	struct health_tally before;
	int connections, changes;
	bool is_first, awaited;
} first_ones[] = {
	{{BAD, BAD, OK, NULL}, {0}, 5, 1, false, true},
	{{OK, BAD, OK, NULL}, {0}, 5, 1, false, true},
	{{OK, NULL}, {0}, 3, 1, false, false},
	{{OK, NULL}, {.good = 2}, 1, 1, false, false},
	{{BAD, OK, NULL}, {0}, 1, 0, false, false},
	{{OK, BAD, OK, NULL}, {0}, 2, 0, false, false},
};

/* What is new and well is known to be so without an interval's wait, and one that fails once gets no others for it. */
static void test_first_ones_come_soon(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(first_ones) / sizeof(*first_ones); i++) {
		struct conf_health conf = {.kind = HEALTH_HTTP,
					   .path = (char *)"/",
					   .status_min = 200,
					   .status_max = 399,
					   .interval_ms = 3600 * 1000,
					   .timeout_ms = 60000,
					   .rise = 3,
					   .fall = 3};
		struct watcher watcher = {.awaits = first_ones[i].awaited};
		struct lb_endpoint endpoint;
		struct health *health;
		struct server server;
		struct lab lab;

		lab_open(&lab, false);
		server_open(&server, lab.event, first_ones[i].replies);
		endpoint = endpoint_of(server.port);
		assert_int_equal(health_new(lab.event, NULL, NULL, &conf, &endpoint, &watcher_ops,
					    &watcher, &health, &lab.error),
				 0);
		assert_true(health_is_first(health));
		health_resume(health, first_ones[i].before);
		lab_await(&lab, server.connections, first_ones[i].connections);
		if (first_ones[i].changes)
			lab_await(&lab, watcher.changes, first_ones[i].changes);
		else
			lab_await(&lab, health_tally(health).bad, 1);
		assert_int_equal(server.connections, first_ones[i].connections);
		assert_int_equal(watcher.healthy, first_ones[i].changes);
		assert_int_equal(health_is_first(health), first_ones[i].is_first);
		health_free(health);
		server_close(&server);
		lab_close(&lab);
	}
}

/* Intervals differ by up to 10 % to either side, from one start to the next. */
static void test_jitter(void **state)
{
	const char *const replies[] = {OK, NULL};
	struct conf_health conf = {
		.kind = HEALTH_TCP, .interval_ms = 300, .timeout_ms = 60000, .rise = 1, .fall = 1};
	struct watcher watcher = {0};
	struct lb_endpoint endpoint;
	uint64_t began = lab_now_ms();
	struct health *health;
	struct server server;
	struct lab lab;

	(void)state;
	lab_open(&lab, false);
	server_open(&server, lab.event, replies);
	endpoint = endpoint_of(server.port);
	assert_int_equal(health_new(lab.event, NULL, NULL, &conf, &endpoint, &watcher_ops, &watcher,
				    &health, &lab.error),
			 0);
	lab_await(&lab, server.connections, 5);
	assert_true(lab_now_ms() - began >= 4 * 260); /* however late each was */
	health_free(health);
	server_close(&server);
	lab_close(&lab);
}

static struct conf_health held_conf(enum conf_health_kind kind)
{
	return (struct conf_health){.kind = kind,
				    .path = (char *)"/",
				    .command = (char *)"sleep 1000",
				    .status_min = 200,
				    .status_max = 399,
				    .interval_ms = 10,
				    .timeout_ms = 60000,
				    .rise = kind == HEALTH_TCP ? 1000000 : 1,
				    .fall = 1};
}

/* Nothing of a try is left, and nothing is found by it; afterwards it goes on. */
static void test_held(void **state)
{
	const char *const replies[] = {NULL, OK, NULL};
	static const enum conf_health_kind kinds[] = {HEALTH_TCP, HEALTH_HTTP, HEALTH_EXEC};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct conf_health conf = held_conf(kinds[i]);
		struct watcher watcher = {0};
		struct lb_endpoint endpoint;
		struct health *health;
		struct server server;
		struct lab lab;
		int begun;

		lab_open(&lab, false);
		server_open(&server, lab.event, replies);
		endpoint = endpoint_of(server.port);
		assert_int_equal(health_new(lab.event, NULL, NULL, &conf, &endpoint, &watcher_ops,
					    &watcher, &health, &lab.error),
				 0);
		if (kinds[i] != HEALTH_EXEC)
			lab_await(&lab, server.connections, 1);
		if (kinds[i] == HEALTH_HTTP)
			lab_await(&lab, server.replies != replies, 1);
		health_hold(health, true);
		begun = server.connections;
		for (int turn = 0; turn < 5; turn++)
			sd_event_run(lab.event, 20000);
		/* One more that the server had not accepted when it was broken off. */
		assert_true(server.connections <= begun + 1);
		assert_int_equal(watcher.changes, 0);
		health_hold(health, false);
		if (kinds[i] == HEALTH_TCP)
			lab_await(&lab, server.connections > begun + 1, 1);
		if (kinds[i] == HEALTH_HTTP)
			lab_await(&lab, watcher.changes, 1);
		assert_true(kinds[i] != HEALTH_HTTP || watcher.healthy);
		health_free(health);
		server_close(&server);
		lab_close(&lab);
	}
}

/* The report may free the check. */
static struct health *freed;

static void free_it(void *arg, bool healthy, const char *why)
{
	(void)healthy, (void)why;
	health_free(freed);
	++*(int *)arg;
}

static const struct health_ops freeing_ops = {.changed = free_it};

static void test_freed_within(void **state)
{
	const char *const replies[] = {OK, NULL};
	static const enum conf_health_kind kinds[] = {HEALTH_TCP, HEALTH_HTTP, HEALTH_EXEC};
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct conf_health conf = {.kind = kinds[i % 3],
					   .path = (char *)"/",
					   .command = (char *)(i < 3 ? "true" : "no-such-check"),
					   .status_min = 200,
					   .status_max = 399,
					   .interval_ms = 10,
					   .timeout_ms = 60000,
					   .rise = 1,
					   .fall = 1};
		struct lb_endpoint endpoint;
		struct server server;
		int reports = 0;
		struct lab lab;

		lab_open(&lab, false);
		server_open(&server, lab.event, replies);
		endpoint = endpoint_of(i < 3 ? server.port : htons(1));
		assert_int_equal(health_new(lab.event, NULL, NULL, &conf, &endpoint, &freeing_ops,
					    &reports, &freed, &lab.error),
				 0);
		lab_await(&lab, reports, 1);
		server_close(&server);
		lab_close(&lab);
	}
}

/* An argument names one test, with * and ?. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judged),
		cmocka_unit_test(test_rise_and_fall),
		cmocka_unit_test(test_first_ones_come_soon),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_freed_within),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
