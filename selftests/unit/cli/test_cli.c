/* SPDX-License-Identifier: Apache-2.0 */
/* lbctl against a little fake of lbd: what is asked for, what is printed, the exit code. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli.h"
#include "usage.h"
#include "verbs.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { WORDS_MAX = 16 };

static char directory[] = "/tmp/lbd-cli-XXXXXX";
static int listener;

static int start(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/web", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 8), 0);
	return 0;
}

static int stop(void **state)
{
	char path[80];

	(void)state;
	close(listener);
	snprintf(path, sizeof(path), "%s/web/control", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/web", directory);
	rmdir(path);
	return rmdir(directory);
}

struct fake {
	const char *reply;
	char request[1024];
};

/* Takes one request, gives the reply as it is, hangs up. */
static void *serve(void *arg)
{
	struct fake *fake = arg;
	int fd = accept(listener, NULL, NULL);
	ssize_t got = recv(fd, fake->request, sizeof(fake->request) - 1, 0);

	fake->request[got > 0 ? got : 0] = 0;
	if (send(fd, fake->reply, strlen(fake->reply), MSG_NOSIGNAL) < 0)
		fake->request[0] = 0;
	close(fd);
	return NULL;
}

struct outcome {
	char *out, *err;
	int code;
};

static int split(const char *line, char *copy, char **words)
{
	char *rest = strcpy(copy, line), *word;
	int count = 0;

	while ((word = strsep(&rest, " ")))
		words[count++] = strcmp(word, "''") ? word : word + 2;
	return *line ? count : 0;
}

static void run(const char *line, struct outcome *outcome)
{
	size_t out_bytes, err_bytes;
	char copy[512], *words[WORDS_MAX];
	struct cli cli = {.run_directory = directory, .instance = "web"};

	cli.out = open_memstream(&outcome->out, &out_bytes);
	cli.err = open_memstream(&outcome->err, &err_bytes);
	outcome->code = cli_run(&cli, words, split(line, copy, words));
	fclose(cli.out);
	fclose(cli.err);
}

static void check(const char *line, const struct outcome *outcome, int code, const char *out,
		  const char *err)
{
	if (outcome->code != code)
		fail_msg("%s: exit %d, err %s", line, outcome->code, outcome->err);
	if (strcmp(outcome->out, out))
		fail_msg("%s: printed\n%s", line, outcome->out);
	if (strcmp(outcome->err, err))
		fail_msg("%s: told\n%s", line, outcome->err);
}

static void finish(struct outcome *outcome)
{
	free(outcome->out);
	free(outcome->err);
}

/* Refused before lbd is asked. */
static const struct {
	const char *line;
	int code;
	const char *err;
} mistakes[] = {
	{"", 2, "lbctl: a verb is missing; `lbctl help` lists all\n"},
	{"pol", 2, "lbctl: unknown verb `pol`; did you mean `pool`? `lbctl help` lists all\n"},
	{"frobnicate", 2, "lbctl: unknown verb `frobnicate`; `lbctl help` lists all\n"},
	{"pool ad 127.0.0.1:80", 2,
	 "lbctl: unknown verb `pool ad`; did you mean `pool add`? `lbctl help` lists all\n"},
	{"poo", 2, "lbctl: unknown verb `poo`; did you mean `pool`? `lbctl help` lists all\n"},
	{"pool add", 2,
	 "lbctl: pool add: POOL or ADDR:PORT is missing; usage: lbctl pool add [POOL] "
	 "ADDR:PORT [weight N] [max_connections N] [owner USER]\n"},
	{"pool drain web 8081", 2,
	 "lbctl: pool drain: `8081` found where it takes ADDR:PORT; "
	 "usage: lbctl pool drain [POOL] ADDR:PORT [timeout T] [wait]\n"},
	{"tail web:8081 -n 5", 2,
	 "lbctl: tail: `-n 5` found, and it takes no number of lines: it shows the last 20; of an "
	 "instance named 5: lbctl -n 5 tail ...\n"},
	{"pool add 1:2 weight", 2,
	 "lbctl: pool add: N is missing; usage: lbctl pool add [POOL] ADDR:PORT [weight N] "
	 "[max_connections N] [owner USER]\n"},
	{"pool add 1:2 wei 3", 2,
	 "lbctl: pool add: `wei` found where it takes `weight` or `max_connections` or "
	 "`owner`; usage: lbctl "
	 "pool add [POOL] ADDR:PORT [weight N] [max_connections N] [owner USER]\n"},
	{"pool undrain 1:2 3", 2,
	 "lbctl: pool undrain: `3` found, which is too much; usage: lbctl "
	 "pool undrain [POOL] ADDR:PORT\n"},
	{"status now", 2, "lbctl: status: `now` found, which is too much; usage: lbctl status\n"},
	{"attach eth0 fast", 2,
	 "lbctl: attach: `fast` found where it takes `native|generic`; usage: "
	 "lbctl attach IFACE [native|generic]\n"},
	{"-x pool", 2, "lbctl: unknown option `-x`; there are -n INSTANCE, -j, -h, --version\n"},
	{"-n", 2, "lbctl: -n: the name of an instance is missing\n"},
	{"-n ../x pool", 2,
	 "lbctl: -n: instance \"../x\": allowed are 1 to 32 letters, digits, _ and -, first a "
	 "letter, digit or _\n"},
	{"pool add \xff:1", 2, "lbctl: pool add: a word is no UTF-8\n"},
	{"check /no/such.conf", 1, "lbctl: /no/such.conf: No such file or directory\n"},
	{"help nonsense", 2, "lbctl: no such verb; `lbctl help` lists all\n"},
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mistakes); i++) {
		struct outcome outcome;

		run(mistakes[i].line, &outcome);
		check(mistakes[i].line, &outcome, mistakes[i].code, "", mistakes[i].err);
		finish(&outcome);
	}
}

static void test_no_lbd(void **state)
{
	struct outcome outcome;
	char expected[256];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "lbctl: no lbd answers at %s/other/control: start it "
		 "with `lbd -n other -c FILE` or name another with -n\n",
		 directory);
	run("-n other pool", &outcome);
	check("-n other pool", &outcome, 3, "", expected);
	finish(&outcome);
}

#define OK "{\"ok\": true}\n"

/* What is sent for a command line. */
static const struct {
	const char *line, *request;
} requests[] = {
	{"pool", "{\"verb\":\"pool\"}\n"},
	{"attach eth0", "{\"verb\":\"attach\",\"interface\":\"eth0\"}\n"},
	{"attach eth0 generic",
	 "{\"verb\":\"attach\",\"interface\":\"eth0\",\"mode\":\"generic\"}\n"},
	{"service add w tcp [::]:80 pool web",
	 "{\"verb\":\"service add\",\"name\":\"w\",\"protocol\":"
	 "\"tcp\",\"address\":\"[::]:80\",\"pool\":\"web\"}\n"},
	{"pool add 127.0.0.1:8081", "{\"verb\":\"pool add\",\"address\":\"127.0.0.1:8081\"}\n"},
	{"pool add web 127.0.0.1:8081 max_connections 7 weight 2",
	 "{\"verb\":\"pool add\",\"pool\":\"web\",\"address\":\"127.0.0.1:8081\",\"weight\":\"2\","
	 "\"max_connections\":\"7\"}\n"},
	{"pool set web 1:2 weight 5",
	 "{\"verb\":\"pool set\",\"pool\":\"web\",\"address\":\"1:2\",\"weight\":\"5\"}\n"},
	{"pool remove 1:2 wait", "{\"verb\":\"pool remove\",\"address\":\"1:2\",\"wait\":true}\n"},
	{"pool remove wait wait timeout 5s force",
	 "{\"verb\":\"pool "
	 "remove\",\"pool\":\"wait\",\"force\":true,\"timeout\":\"5s\",\"wait\":true}\n"},
	{"pool remove force 1:2 force",
	 "{\"verb\":\"pool remove\",\"pool\":\"force\",\"address\":\"1:2\",\"force\":true}\n"},
	{"pool drain 1:2 wait timeout 5s",
	 "{\"verb\":\"pool drain\",\"address\":\"1:2\",\"timeout\":\"5s\",\"wait\":true}\n"},
	{"tail web:8081 -f", "{\"verb\":\"tail\",\"name\":\"web:8081\",\"follow\":true}\n"},
	{"signal web:* HUP", "{\"verb\":\"signal\",\"name\":\"web:*\",\"signal\":\"HUP\"}\n"},
	{"roll web wait", "{\"verb\":\"roll\",\"pool\":\"web\",\"wait\":true}\n"},
};

static void converse(const char *line, struct fake *fake, struct outcome *outcome)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, serve, fake), 0);
	run(line, outcome);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		struct fake fake = {.reply = OK};
		struct outcome outcome;

		converse(requests[i].line, &fake, &outcome);
		check(requests[i].line, &outcome, 0, "", "");
		assert_string_equal(fake.request, requests[i].request);
		finish(&outcome);
	}
}

#define DATA(text) "{\"ok\": true, \"data\": " text "}\n"
#define POOLS                                                                                      \
	DATA("[{\"pool\": \"web\", \"scheduler\": \"least_load\", \"backends\": ["                 \
	     "{\"address\": \"127.0.0.1:8081\", \"state\": \"up\", \"weight\": 1, \"active\": 12," \
	     " \"total\": 1234, \"queue\": 0, \"worker\": \"w\xc3\xa9"                             \
	     "b:8081\", \"new\": {}},"                                                             \
	     "{\"address\": \"[::1]:9\", \"state\": \"draining\", \"weight\": 100,"                \
	     " \"note\": \"no IPv6\\u001b[2J\\nlistener\"}]},"                                     \
	     "{\"pool\": \"idle\", \"scheduler\": \"maglev\", \"backends\": []}]")

/* What is printed for a reply. */
static const struct {
	const char *line, *reply;
	int code;
	const char *out, *err;
} replies[] = {
	{"pool", POOLS, 0,
	 "  BACKEND         STATE     WEIGHT  ACTIVE  QUEUE  TOTAL  WORKER    NOTE\n"
	 "web, least_load\n"
	 "  127.0.0.1:8081  up             1      12      0   1234  w\xc3\xa9"
	 "b:8081\n"
	 "  [::1]:9         draining     100                                  no IPv6?[2J "
	 "listener\n"
	 "idle, maglev, no backends\n",
	 ""},
	{"pool", DATA("[]"), 0, "no pools; `lbctl pool add ADDR:PORT` makes the first\n", ""},
	{"worker",
	 DATA("[{\"name\": \"web:8081\", \"state\": \"up\", \"pid\": 7, \"uptime_s\": 3700.5,"
	      " \"restarts\": 0, \"memory\": 12582912},"
	      " {\"name\": \"web:8082\", \"state\": \"fatal\", \"restarts\": 10}]"),
	 0,
	 "WORKER    STATE  PID  UPTIME  RESTARTS  MEMORY\n"
	 "web:8081  up       7  1h 01m         0     12M\n"
	 "web:8082  fatal                     10\n",
	 ""},
	{"worker web:8082", DATA("[{\"name\": \"web:8082\", \"state\": \"exited\"}]"), 3,
	 "WORKER    STATE   PID  UPTIME  RESTARTS\nweb:8082  exited\n", ""},
	{"-j worker web:8082", DATA("[{\"state\": \"stopped\"}]"), 3,
	 "[\n  {\n    \"state\": \"stopped\"\n  }\n]\n", ""},
	{"worker web:8081", DATA("[{\"name\": \"web:8081\", \"state\": \"up\"}]"), 0,
	 "WORKER    STATE  PID  UPTIME  RESTARTS\nweb:8081  up\n", ""},
	{"service",
	 DATA("[{\"service\": \"w\", \"pool\": \"p\", \"listens\": [\"0.0.0.0:80\", \"[::]:80\"],"
	      " \"connections\": 5, \"refused\": 0, \"dropped\": 0, \"deferred\": 3,"
	      " \"denied\": 0}]"),
	 0,
	 "SERVICE  POOL  LISTENS              CONNECTIONS  REFUSED  DROPPED  DEFERRED  DENIED\n"
	 "w        p     0.0.0.0:80, [::]:80            5        0        0         3       0\n",
	 ""},
	{"status",
	 DATA("{\"version\": \"1\", \"instance\": \"web\", \"pid\": 9, \"uptime_s\": 59, \"tier\":"
	      " \"none\", \"tracks\": true, \"interfaces\": [{\"interface\": \"eth0\", \"tier\":"
	      " \"native\"}], \"services\": 1, \"pools\": 2, \"backends\": 3, \"workers\": 4,"
	      " \"counters\": {\"steer_chosen\": 10, \"ingress_denied\": 0}}"),
	 0,
	 "lbd 1, instance web, pid 9, up 59s\n"
	 "tier        none  NO XDP: connections are steered at their listener only; `lbctl attach "
	 "IFACE`\n"
	 "interfaces  eth0  native\n"
	 "model       services 1, pools 2, backends 3, workers 4\n"
	 "\nCOUNTER       COUNT  MEANING\nsteer_chosen     10  chosen and delivered by steer\n",
	 ""},
	{"-j pid", DATA("7"), 0, "7\n", ""},
	{"pid", DATA("7"), 0, "7\n", ""},
	{"reread", DATA("{\"changes\": [\"+ pool b\", \"- pool a\"]}"), 0, "+ pool b\n- pool a\n",
	 ""},
	{"update", DATA("{\"changes\": []}"), 0, "no difference\n", ""},
	{"worker stop web:1", DATA("{\"stopped\": [\"web:1\", \"web:2\"], \"n\": 2}"), 0,
	 "stopped: web:1, web:2\nn: 2\n", ""},
	{"reload", DATA("[\"one\", \"two\"]"), 0, "one\ntwo\n", ""},
	{"save", "{\"ok\": true, \"message\": \"saved\"}\n", 0, "saved\n", ""},
	{"-j save", "{\"ok\": true, \"message\": \"saved\"}\n", 0,
	 "{\n  \"message\": \"saved\"\n}\n", ""},
	{"roll web wait", "{\"progress\": \"web:1 up\"}\n{\"ok\": true, \"message\": \"rolled\"}\n",
	 0, "rolled\n", "web:1 up\n"},
	{"tail web:1 -f", "{\"progress\": \"a\"}\n{\"progress\": \"b\\n\"}\n" DATA("\"c\\n\""), 0,
	 "ab\nc\n", ""},
	{"pool add 1:2", "{\"ok\": false, \"error\": \"no \\u001b\", \"exit\": 1}\n", 1, "",
	 "lbctl: no ?\n"},
	{"worker x:1", "{\"ok\": false, \"error\": \"no worker x:1\", \"exit\": 4}\n", 4, "",
	 "lbctl: no worker x:1\n"},
	{"pool", "{\"ok\": false}\n", 1, "", "lbctl: lbd refused and did not say why\n"},
	{"pool", "", 3, "", "lbctl: lbd went away before its reply; see its log\n"},
	{"pool", "{\"progress\": \"x\"}\n", 3, "",
	 "x\nlbctl: lbd went away before its reply; see its log\n"},
	{"shutdown", "{\"progress\": \"stopping\"}\n", 3, "",
	 "stopping\nlbctl: lbd went away before its reply; see its log\n"},
	{"pool", "HTTP/1.1 400\r\n", 3, "",
	 "lbctl: what answers is no lbd, or one of another version\n"},
	{"version", DATA("{\"version\": \"9\"}"), 0, "lbctl " LB_VERSION ", lbd 9\n", ""},
	{"--complete pool drain web ''", POOLS, 0, "127.0.0.1:8081\n[::1]:9\n", ""},
	{"--complete -n web -j worker stop ''",
	 DATA("[{\"name\": \"a:1\"}, {\"name\": \"a:2\"}, {\"name\": \"b:1\"}]"), 0,
	 "a:1\na:2\nb:1\na:*\nb:*\nall\n", ""},
	{"--complete tail ''", DATA("[{\"name\": \"a:1\"}, {\"name\": \"a:2\"}]"), 0, "a:1\na:2\n",
	 ""},
};

static void test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct fake fake = {.reply = replies[i].reply};
		struct outcome outcome;

		converse(replies[i].line, &fake, &outcome);
		check(replies[i].line, &outcome, replies[i].code, replies[i].out, replies[i].err);
		finish(&outcome);
	}
}

/* Completion that needs no lbd. */
static const struct {
	const char *line, *out;
} completions[] = {
	{"--complete pool ''", "add\nremove\ndrain\nundrain\nset\n"},
	{"--complete pool remove 1:2 ''", "force\ntimeout\nwait\n"},
	{"--complete pool remove 1:2 wait ''", "force\ntimeout\n"},
	{"--complete service add x ''", "tcp\n"},
	{"--complete service add x tcp 1:2 ''", "pool\n"},
	{"--complete pool add 1:2 ''", "weight\nmax_connections\nowner\n"},
	{"--complete pool add 1:2 weight ''", ""},
	{"--complete pool add 1:2 weight 3 ''", "max_connections\nowner\n"},
	{"--complete pool add 1:2 owner ''", ":users\n"},
	{"--complete attach lo ''", "native\ngeneric\n"},
	{"--complete import ''", ":files\n"},
	{"--complete import a b ''", ":files\n"},
	{"--complete check a ''", ""},
	{"--complete status ''", ""},
	{"--complete nonsense ''", ""},
	{"--complete -n ''", "web\n"},
	{"--complete pool -n ''", "web\n"},
};

static void test_completions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(completions); i++) {
		struct outcome outcome;

		run(completions[i].line, &outcome);
		check(completions[i].line, &outcome, 0, completions[i].out, "");
		finish(&outcome);
	}
}

/* The table itself: usage lines parse, names are whole words in order, help is one line. */
static void test_table(void **state)
{
	(void)state;
	for (const struct verb *verb = verbs; verb->name; verb++) {
		struct usage usage;

		usage_parse(verb->usage, &usage);
		assert_non_null(verb->help);
		assert_null(strchr(verb->help, '\n'));
		for (size_t i = 0; i < usage.count; i++)
			assert_int_not_equal(strcmp(usage.items[i].member, "verb"), 0);
	}
}

/* `lbctl reexec 2>&1 | cat`: who was to take over, and then that it has ended. */
static void test_one_pipe_has_it_in_order(void **state)
{
	int fd = memfd_create("both", MFD_CLOEXEC);
	struct cli cli = {.out = fdopen(dup(fd), "w"), .err = fdopen(dup(fd), "w")};
	char text[64] = "";

	(void)state;
	setvbuf(cli.err, NULL, _IONBF, 0);
	fputs("first\n", cli.out);
	cli_fail(&cli, 1, "second");
	fputs("third\n", cli.out);
	fclose(cli.out);
	fclose(cli.err);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "first\nlbctl: second\nthird\n");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_pipe_has_it_in_order),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_no_lbd),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_completions),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests_name("cli", tests, start, stop);
}
