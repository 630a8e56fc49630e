/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "conf/conf.h"

static int build(const char *text, struct conf **conf, struct error *error)
{
	struct block *root = NULL;
	int code = block_parse("t", text, strlen(text), &root, error);

	if (!code)
		code = conf_build(root, conf, error);
	if (code)
		block_free(root);
	return code;
}

static struct conf *must_build(const char *text)
{
	struct error error = {""};
	struct conf *conf = NULL;

	if (build(text, &conf, &error))
		fail_msg("%s\n%s", text, error.text);
	return conf;
}

#define W(settings)  "pool p { worker { command x; ports 81; " settings " } }"
#define P(settings)  "pool p { " settings " }"
#define H(settings)  "pool p { health { " settings " } }"
#define S(settings)  "pool p { } service s { pool p; listen 1.2.3.4:80; " settings " }"
#define ST(settings) "static s { listen 1.2.3.4:80; root /; " settings " }"
#define P5           "pool p { } "

/* What is not allowed, and what the message must hold. */
static const struct {
	const char *text, *message;
} bad[] = {
	/* the syntax of directives */
	{"pol web { }",
	 "t:1:1: found \"pol\" in the configuration, which is unknown there; did you "
	 "mean pool?"},
	{"\n frobnicate;",
	 "t:2:2: found \"frobnicate\" in the configuration, which is unknown there; "
	 "allowed: attach log log_directory pid_file"},
	{P("shceduler maglev;"), "did you mean scheduler?"},
	{P("scheduler;"),
	 "t:1:10: scheduler: found 0 words after it; allowed: scheduler least_load|"},
	{P("scheduler maglev x;"), "found 2 words"},
	{P("scheduler maglev { }"), "scheduler: found {; allowed"},
	{P("worker x;"), "worker: found ; without { }; allowed: worker { }"},
	{P("scheduler maglev; scheduler random;"), "found a second time, first at t:1; once"},
	{P("scheduler fastest;"), "scheduler: found \"fastest\"; allowed: scheduler "
				  "least_load|maglev|round_robin|random|source_hash;"},
	{"pool { }", "pool: found 0 words"},
	{"pool a b { }", "pool: found 2 words"},
	{"pool a;", "pool: found ; without { }"},
	{"pool a/b { }", "found the name \"a/b\""},
	{"pool -a { }", "found the name"},
	{"pool .a { }", "found the name"},
	{"pool \"\" { }", "found the name"},
	{"pool all { }", "means every worker"},
	{"pool a { } pool a { }", "t:1:12: pool: found a second \"a\", first at t:1"},
	{"include x;", "include"},
	/* a ; that is missing at the end of a line, after words that may be a list */
	{"static s { listen 0.0.0.0:1; root /tmp;\n index index.html\n deny all;\n }",
	 "t:2:2: index: found no ; before \"deny\", which begins line 3: end index with ; (or "
	 "write \"deny\" in quotes, where that is one of its words)"},
	{"static s { listen 0.0.0.0:1; root /tmp;\n try_files * $uri # of it\n\n listing off;\n }",
	 "t:2:2: try_files: found no ; before \"listing\", which begins line 4"},
	{"static s { listen 0.0.0.0:1; root /tmp; index a\nuser root; }",
	 "found no ; before \"user"},
	{"static s { listen 0.0.0.0:1; root /tmp; index a\nscheduler random; }",
	 "found no ; before \"scheduler"},
	{"static s { listen 0.0.0.0:1; root /tmp; index a\ninclude b; }",
	 "found no ; before \"incl"},
	{"static s { root /tmp; deny 10.0.0.0/8\nlisten 0.0.0.0:1; }",
	 "found no ; before \"listen"},
	{W("read_only /usr\ndirectory /tmp;"), "read_only: found no ; before \"directory\""},
	{W("capabilities none\nuser root;"), "capabilities: found no ; before \"user\""},
	{W("environment A=b\nuser root;"),
	 "environment: found no ; before \"user\", which begins l"},
	{W("exit_codes 0\n2\nuser root;"),
	 "exit_codes: found no ; before \"user\", which begins li"},
	{W("stdout none\nuser root;"), "stdout: found no ; before \"user\", which begins line 2"},
	{P("backend 127.0.0.1:1\nscheduler random;"), "backend: found no ; before \"scheduler\""},
	{P("health { http /\ninterval 1s; }"),
	 "http: found no ; before \"interval\", which begins"},
	{"attach eth0\npool a { }",
	 "t:1:1: attach: found no ; before \"pool\", which begins line 2"},
	{"control { mode 0660\nowner root; }", "mode: found no ; before \"owner\""},
	/* top level */
	{"attach eth0; attach eth0;", "found eth0 a second time"},
	{P("backend 127.0.0.1:1 drain weight 1 weight 2;"), "backend weight: found a second time"},
	{P("backend 127.0.0.1:1 drain weight 1 drain;"), "backend drain: found a second time"},
	{P("backend 127.0.0.1:1; health { http / host host host b; }"),
	 "http host: found a second time in one line"},
	{W("stdout none prefix size 1m prefix;"), "stdout prefix: found a second time"},
	{W("stdout none size 1m files 2 size 2m;"), "stdout size: found a second time"},
	{"attach a/b;", "attach: found \"a/b\""},
	{"attach ..;",
	 "attach: found \"..\"; allowed: attach INTERFACE [native|generic]; a name of "
	 "1..15 characters"},
	{"attach v9x1234567890123;",
	 "attach: found \"v9x1234567890123\", which has 16 characters; a name of an interface has "
	 "up to 15"},
	{"attach eth0 fast;", "attach: found \"fast\"; allowed: attach INTERFACE [native|generic]"},
	{"log x age 1d;", "log: found"},
	{"log syslog;", "log: found \"syslog\""},
	{"log x size;", "log: found \"size\""},
	{"min_files -1;", "min_files: found \"-1\""},
	{"min_files x;", "min_files: found \"x\""},
	{"hash_seed 0123456789abcdef0123456789abcde;",
	 "t:1:1: hash_seed: found 31 characters, 31 of them hexadecimal digits; 32 digits are "
	 "allowed, as `openssl rand -hex 16` prints them"},
	{"hash_seed 0123456789abcdef0123456789abcdef0;", "found 33 characters"},
	{"hash_seed 0123456789abcdef0123456789abcdeg;", "found 32 characters, 31 of them"},
	{"hash_seed \"\";", "found 0 characters"},
	{"control { mode 888; }", "mode: found \"888\""},
	{"control { mode 1777; }", "mode: found \"1777\""},
	{"control { owner nobody-of-this-name; }",
	 "owner: found \"nobody-of-this-name\", which is"},
	{"control { group nobody-of-this-name; }",
	 "group: found \"nobody-of-this-name\", which is"},
	/* backends */
	{P("backend 127.0.0.1:0;"),
	 "t:1:10: backend: \"127.0.0.1:0\" has port \"0\"; ports are 1..65535"},
	{P("backend 127.0.0.1:65536;"), "port \"65536\""},
	{P("backend localhost:80;"), "no address and port"},
	{P("backend 127.0.0.1:80 weight 0;"), "backend: found \"0\""},
	{P("backend 127.0.0.1:80 weight 1001;"), "backend: found \"1001\""},
	{P("backend 127.0.0.1:80 weight;"), "backend: found \"weight\""},
	{P("backend 127.0.0.1:80 backup;"),
	 "backend: found \"backup\"; allowed: backend ADDRESS:PORT"},
	{P("weight 0;"), "weight: found \"0\""},
	{P("roll_parallel 0;"), "roll_parallel: found \"0\""},
	{P("drain_timeout 10;"),
	 "drain_timeout: found \"10\"; allowed: drain_timeout TIME; such as"},
	{P("drain_timeout 1y;"), "drain_timeout: found \"1y\""},
	{P("drain_timeout -1s;"), "drain_timeout: found \"-1s\""},
	{P("drain_timeout 99999999999999999999s;"), "drain_timeout: found"},
	{P("drain_timeout 1000d;"), "drain_timeout: found"},
	{P("backend 1.1.1.1:1; backend 1.1.1.1:1;"),
	 "t:1:29: backend: found 1.1.1.1:1 of pool p, but 1.1.1.1:1 is a backend of pool p "
	 "already, "
	 "first at t:1"},
	{"pool a { backend 1.1.1.1:1; } pool b {\n backend 1.1.1.1:1; }",
	 "t:2:2: backend: found 1.1.1.1:1 of pool b, but 1.1.1.1:1 is a backend of pool a"},
	/* workers */
	{P("worker { }"), "found no command"},
	{P("worker { command x; }"), "found no ports"},
	{W("comand y;"), "did you mean command?"},
	{"pool p { worker { command \"x 'y\"; ports 81; } }", "has a quote that is never closed"},
	{"pool p { worker { command \"\"; ports 81; } }", "command: found \"\""},
	{"pool p { worker { command \"x $prot\"; ports 81; } }",
	 "command: found the unknown variable $prot; allowed: $port"},
	{"pool p { worker { command x; ports 0; } }", "ports: found \"0\""},
	{"pool p { worker { command x; ports 65536; } }", "ports: found \"65536\""},
	{"pool p { worker { command x; ports 82-81; } }", "ports: found \"82-81\""},
	{"pool p { worker { command x; ports 81-; } }", "ports: found \"81-\""},
	{"pool p { worker { command x; ports 81 count; } }", "ports: found \"count\""},
	{"pool p { worker { command x; ports 81 count 0; } }", "ports: found 0"},
	{"pool p { worker { command x; ports 81 count 4097; } }", "ports: found \"4097\""},
	{"pool p { worker { command x; ports 81-82 count 2; } }", "ports: found \"2\""},
	{"pool p { worker { command x; ports 65535 count 2; } }", "ports: found 2 from 65535 on"},
	{"pool p { worker { command x; ports 1-5000; } }",
	 "ports: found 5000 from 1 on; allowed: 1..4096"},
	{W("address 300.1.1.1;"), "address: \"300.1.1.1\" is no address"},
	{W("listen maybe;"), "listen: found \"maybe\"; allowed: listen own|inherit;"},
	{W("dual_stack on;"), "dual_stack: found without listen inherit;"},
	{W("dual_stack yes;"), "dual_stack: found \"yes\""},
	{W("address 1.2.3.4; listen inherit; dual_stack on;"), "no counterpart"},
	{W("backlog 10;"), "backlog: found without listen inherit;"},
	{W("listen inherit; backlog 0;"), "backlog: found \"0\""},
	{W("directory /x/$nothing;"), "directory: found the unknown variable $nothing"},
	{W("user nobody-of-this-name;"),
	 "user: found \"nobody-of-this-name\", which is unknown on"},
	{W("group nobody-of-this-name;"),
	 "group: found \"nobody-of-this-name\", which is unknown on"},
	{W("environment_file /x/$nothing;"), "environment_file: found the unknown variable"},
	{W("environment A;"), "environment: found \"A\"; allowed: environment NAME=VALUE"},
	{W("environment =b;"), "environment: found \"=b\""},
	{W("environment A=$b;"), "environment: found the unknown variable $b"},
	{W("umask 999;"), "umask: found \"999\""},
	{W("restart sometimes;"), "restart: found \"sometimes\"; allowed: restart always|"},
	{W("exit_codes 256;"), "exit_codes: found \"256\""},
	{W("backoff 1s 100ms;"), "backoff: found \"100ms\""},
	{W("backoff 0 1s;"), "backoff: found \"0\""},
	{W("ready soon;"), "ready: found \"soon\""},
	{W("watchdog 5s;"), "watchdog: found without ready notify;"},
	{W("stop_signal FOO;"), "stop_signal: found \"FOO\""},
	{W("stop_signal STOP;"), "stop_signal: found \"STOP\""},
	{W("stop_signal 65;"), "stop_signal: found \"65\""},
	{W("nice 20;"), "nice: found \"20\""},
	{W("nice -21;"), "nice: found \"-21\""},
	{W("priority x;"), "priority: found \"x\""},
	{W("limit nofile;"), "limit: found 1 word after it"},
	{W("limit files 3;"), "limit: found \"files\""},
	{W("limit cpu 150;"), "limit: found \"150\""},
	{W("limit cpu 0%;"), "limit: found \"0%\""},
	{W("limit nofile 3; limit pids 3; limit nofile 4;"),
	 "limit nofile: found a second time, first at t:1; once"},
	{W("recycle age 5s; recycle memory 1g; recycle age 10s;"),
	 "recycle age: found a second time, first at t:1; once"},
	{W("recycle memory 1g memory 2g;"), "recycle memory: found a second time"},
	{W("environment A=1; environment B=2 LISTEN_FDS=1;"),
	 "environment: found LISTEN_FDS, which is lbd's alone to say"},
	{W("environment NOTIFY_SOCKET=;"), "found NOTIFY_SOCKET, which"},
	{W("limit memory 0;"), "limit: found \"0\""},
	{W("stdout x size big;"), "stdout: found \"big\""},
	{W("stdout x rotate 5;"), "stdout: found \"5\""},
	{W("stdout x age 10ms;"), "stdout: found \"10ms\""},
	{W("stdout \"\";"), "stdout: found \"\""},
	{W("stdout $x.log;"), "stdout: found the unknown variable $x"},
	{W("recycle age;"), "recycle: found 1 word"},
	{W("recycle age 0;"), "recycle: found \"0\""},
	{W("recycle memory x;"), "recycle: found \"x\""},
	{W("before_start \"'\";"), "before_start: \"'\" has a quote"},
	/* collisions of workers */
	{"pool a { worker { command x; ports 81-84; } }\npool b { worker { command x; ports 84-85; "
	 "} }",
	 "t:2:30: ports: found 127.0.0.1:84 of pool b, but 127.0.0.1:84 is a worker of pool a "
	 "already, first at t:1; take another port"},
	{"pool a { worker { command x; ports 81-84; } backend 127.0.0.1:82; }",
	 "127.0.0.1:82 is a worker of pool a already"},
	{"pool a { worker { command x; ports 81; address 0.0.0.0; } backend 127.0.0.1:81; }",
	 "found 127.0.0.1:81 of pool a, but 0.0.0.0:81 is a worker"},
	/* health */
	{H(""), "health: found no kind of check"},
	{H("tcp; http /;"), "found a second kind"},
	{H("http x;"), "http: found \"x\""},
	{H("http \"/a b\";"), "http: found \"/a b\""},
	{H("http \"/a\\nb\";"), "http: found"},
	{H("http / status 99;"), "http: found \"99\""},
	{H("http / status 399-200;"), "http: found \"399-200\""},
	{H("http / status 600;"), "http: found \"600\""},
	{H("http / host;"), "http: found \"host\""},
	{H("http / host \"a b\";"), "http: found \"a b\""},
	{H("tcp; interval 1ms;"), "interval: found \"1ms\""},
	{H("tcp; rise 0;"), "rise: found \"0\""},
	{H("tcp; on_failure panic;"), "on_failure: found \"panic\""},
	{H("tcp; on_failure restart;"), "on_failure restart; in a pool without worker"},
	{H("exec \"a '\";"), "exec: \"a '\" has a quote"},
	/* services */
	{P5 "service s { pool p; }", "service s: found no listen"},
	{"service s { listen 1.2.3.4:80; }", "service s: found the pool \"s\", which is nowhere"},
	{"service s {\n pool q; listen 1.2.3.4:80; }", "t:2:2: service s: found the pool \"q\""},
	{S("listen 1.2.3.4:0;"), "listen: \"1.2.3.4:0\" has port \"0\""},
	{S("listen 1.2.3.4:80;"), "found listen 1.2.3.4:80, which service s has already"},
	{S("") "service r { pool p; listen 1.2.3.4:80; }",
	 "service r: found listen 1.2.3.4:80, which service s has already, first at t:1"},
	{S("") "service s { pool p; listen 1.2.3.4:81; }", "service: found a second \"s\""},
	{S("allow 1.2.3.4/24;"), "allow: prefix \"1.2.3.4/24\" has bits set"},
	{S("allow x;"), "allow: \"x\" is no prefix"},
	{S("allow all; deny all;"), "deny: found a second rule for all"},
	{S("allow 10.0.0.0/8; deny 10.0.0.0/8;"), "service s: found two rules for 10.0.0.0/8"},
	{S("backlog 5;"), "found \"backlog\" in service"},
	{P("backend 127.0.0.1:80;") "service s { pool p; listen 127.0.0.1:80; }",
	 "backend: found 127.0.0.1:80, where service s takes connections (127.0.0.1:80)"},
	{W("") "service s { pool p; listen 0.0.0.0:81; }",
	 "ports: found 127.0.0.1:81, where service s takes connections (0.0.0.0:81)"},
	{"pool default { backend [::1]:1; } service s { pool p; listen 0.0.0.0:80; } pool p { }",
	 "t:1:1: pool default: is to be served on 0.0.0.0:80, but service s has it"},
	/* static */
	{"static s { root /; }", "service s: found no listen"},
	{"static s { listen 1.2.3.4:80; }", "static s: found no root"},
	{ST("command x;"), "command: found in static, whose workers run lbstatic"},
	{ST("header *.css;"), "header: found 1 word after it; allowed: header PATTERN"},
	{ST("frobnicate;"), "found \"frobnicate\" in static"},
	{ST("index -x;"), "begins with -"},
	{ST("umask 9;"), "umask: found \"9\""},
	{ST("scheduler x;"), "scheduler: found \"x\""},
	{ST("") ST(""), "pool: found a second \"s\""},
};

static void mistakes_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct error error = {""};
		struct conf *conf = NULL;

		if (build(bad[i].text, &conf, &error) != -EINVAL)
			fail_msg("not refused: %s", bad[i].text);
		if (!strstr(error.text, bad[i].message))
			fail_msg("%s\nfound:  %s\nwanted: %s", bad[i].text, error.text,
				 bad[i].message);
		assert_null(conf);
	}
}

/* What looks doubtful and is allowed. */
static const char *const good[] = {
	/* words over several lines, also what would be a directive, in quotes */
	ST("index a\n b\n \"deny\"\n 'all';"),
	ST("index a\nb deny all;"),
	P("backend 127.0.0.1:1\n weight 5\n max_connections 6\n owner root;"),
	W("before_start true\nuser root;"),
	ST("before_start true\nuser root;"),
	"",
	"pool p { }",
	"pool a.b-c_1 { }",
	"attach eth0; attach eth0.100 native; attach veth-1@x generic;",
	"control { mode 0660; owner root; group root; }",
	"min_files 1024; min_processes 200; pid_file /run/x.pid; log x size 200m files 10;",
	"hash_seed 0123456789abcdef0123456789ABCDEF;",
	P("backend 1.1.1.1:1; backend 1.1.1.1:2; backend [::1]:1; backend 1.1.1.2:1;"),
	P("backend 127.0.0.1:1 drain max_connections 5 weight 1000;"),
	P("drain_timeout 0; slow_start 30s;"),
	/* remote backends of the port that a service takes */
	P("backend 10.0.0.2:80;") "service s { pool p; listen 0.0.0.0:80; }",
	P("backend 127.0.0.1:80;") "service s { pool p; listen 1.2.3.4:80; listen [::]:80; }",
	/* the more specific address wins */
	S("listen 0.0.0.0:80;"),
	/* two services of one pool, and a pool of none */
	S("") "service r { pool p; listen 1.2.3.4:81; } pool q { }",
	S("allow all;"),
	S("deny all; allow 10.0.0.0/8; deny 10.1.0.0/16;"),
	"service p { listen 1.2.3.4:80; } pool p { }",
	W("limit core unlimited; limit nofile 65536; limit memory 1g; limit pids 10; limit cpu "
	  "150%;"),
	W("environment A=b C=d; environment E=$port; environment_file /dev/null;"),
	W("stdout syslog prefix; stderr none;"),
	W("recycle age 1d memory 1g;"),
	W("listen inherit; dual_stack on; backlog 100;"),
	W("listen inherit; dual_stack on; address ::;"),
	W("stop_signal SIGINT;"),
	W("stop_signal 3;"),
	W("directory /tmp/$index;"),
	W("user 0; group 0;"),
	H("exec \"true $port\"; interval 10ms; timeout 10ms;"),
	"pool default { } service s { pool p; listen 0.0.0.0:80; } pool p { }",
	"pool default { } service default { pool p; listen 0.0.0.0:80; } pool p { }",
	ST("listen inherit; allow 10.0.0.0/8; deny all /private; health { tcp; } weight 3; nice "
	   "5;"),
};

static void what_is_allowed_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		conf_free(must_build(good[i]));
	conf_free(NULL);
}

static void a_pool_has_its_defaults(void **state)
{
	struct conf *conf = must_build("pool p { worker { command \"x $port\"; ports 81; } }");
	const struct conf_pool *pool = conf->pools;
	const struct conf_worker *worker = pool->worker;
	char text[ADDR_TEXT_BYTES];

	(void)state;
	assert_string_equal(pool->name, "p");
	assert_int_equal(pool->scheduler, LB_LEAST_LOAD);
	assert_int_equal(pool->drain_timeout_ms, 30000);
	assert_int_equal(pool->slow_start_ms, 0);
	assert_int_equal(pool->roll_parallel, 1);
	assert_int_equal(pool->health.kind, HEALTH_NONE);
	assert_int_equal(pool->backend_count, 1);
	assert_string_equal(addr_format_endpoint(&pool->backends->endpoint, text), "127.0.0.1:81");
	assert_int_equal(pool->backends->weight, 1);
	assert_int_equal(pool->backends->max_connections, 0);
	assert_true(pool->backends->supervised);
	assert_string_equal(worker->command, "x $port");
	assert_false(worker->inherit);
	assert_int_equal(worker->umask, -1);
	assert_null(*worker->environment);
	assert_null(*worker->environment_files);
	assert_true(worker->autostart);
	assert_int_equal(worker->restart, RESTART_ALWAYS);
	assert_int_equal(worker->exit_codes[0], 1);
	assert_int_equal(worker->start_retries, 10);
	assert_int_equal(worker->start_timeout_ms, 60000);
	assert_int_equal(worker->stable_ms, 10000);
	assert_int_equal(worker->backoff_min_ms, 100);
	assert_int_equal(worker->backoff_max_ms, 30000);
	assert_int_equal(worker->readiness, READY_LISTENER);
	assert_int_equal(worker->stop_signal, SIGTERM);
	assert_int_equal(worker->stop_timeout_ms, 10000);
	assert_int_equal(worker->priority, 999);
	assert_true(worker->merge_stderr);
	assert_int_equal(worker->stdout_log.kind, OUTPUT_FILE);
	assert_null(worker->stdout_log.path);
	assert_true(worker->limits.nofile == CONF_UNSET && worker->limits.core == CONF_UNSET);
	assert_true(worker->limits.memory_max_bytes == CONF_UNSET);
	assert_int_equal(worker->limits.nice, CONF_NICE_UNSET);
	assert_int_equal(conf->control_mode, -1);
	conf_free(conf);
}

static void a_worker_has_its_settings(void **state)
{
	struct conf *conf = must_build(
		"pool p { worker { command x; ports 81-84; address ::1; listen inherit; backlog 5; "
		"directory /tmp; user root; group root; umask 022; environment A=b \"C=d e\"; "
		"autostart off; restart on_failure; exit_codes 0 2 255; start_retries 3; "
		"start_timeout 5s; stable 1m; backoff 1s 1h; ready notify; watchdog 30s; "
		"stop_signal INT; stop_timeout 1500ms; priority -5; stdout /tmp/$port.log size "
		"200m "
		"files 3 age 1d prefix; stderr syslog; limit nofile 4096; limit cpu 150%; nice -5; "
		"before_start a; after_stop b; recycle age 2h; recycle memory 512m; } }");
	const struct conf_worker *worker = conf->pools->worker;

	(void)state;
	assert_int_equal(worker->first_port, 81);
	assert_int_equal(worker->count, 4);
	assert_true(addr_is_loopback(&worker->addr) && !addr_is_v4(&worker->addr));
	assert_true(worker->inherit);
	assert_int_equal(worker->backlog, 5);
	assert_string_equal(worker->directory, "/tmp");
	assert_int_equal(worker->umask, 022);
	assert_string_equal(worker->environment[1], "C=d e");
	assert_null(worker->environment[2]);
	assert_false(worker->autostart);
	assert_int_equal(worker->restart, RESTART_ON_FAILURE);
	assert_true(worker->exit_codes[0] == 5 && worker->exit_codes[3] == 1ULL << 63);
	assert_int_equal(worker->start_retries, 3);
	assert_int_equal(worker->start_timeout_ms, 5000);
	assert_int_equal(worker->stable_ms, 60000);
	assert_int_equal(worker->backoff_max_ms, 3600000);
	assert_int_equal(worker->readiness, READY_NOTIFY);
	assert_int_equal(worker->watchdog_ms, 30000);
	assert_int_equal(worker->stop_signal, SIGINT);
	assert_int_equal(worker->stop_timeout_ms, 1500);
	assert_int_equal(worker->priority, -5);
	assert_string_equal(worker->stdout_log.path, "/tmp/$port.log");
	assert_int_equal(worker->stdout_log.max_bytes, 200 << 20);
	assert_int_equal(worker->stdout_log.max_files, 3);
	assert_int_equal(worker->stdout_log.max_age_s, 86400);
	assert_true(worker->stdout_log.prefix);
	assert_false(worker->merge_stderr);
	assert_int_equal(worker->stderr_log.kind, OUTPUT_SYSLOG);
	assert_int_equal(worker->limits.nofile, 4096);
	assert_int_equal(worker->limits.cpu_max_percent, 150);
	assert_int_equal(worker->limits.nice, -5);
	assert_int_equal(worker->max_age_s, 7200);
	assert_int_equal(worker->max_memory_bytes, 512 << 20);
	conf_free(conf);
}

static void weights_and_limits_have_a_default(void **state)
{
	struct conf *conf = must_build("pool p { backend 1.1.1.1:1; backend 1.1.1.1:2 weight 9; "
				       "weight 5; max_connections 7; "
				       "backend 1.1.1.1:3 max_connections 0 drain; }");
	const struct conf_backend *backends = conf->pools->backends;

	(void)state;
	assert_int_equal(backends[0].weight, 5);
	assert_int_equal(backends[0].max_connections, 7);
	assert_int_equal(backends[1].weight, 9);
	assert_int_equal(backends[2].weight, 5);
	assert_int_equal(backends[2].max_connections, 0);
	assert_true(backends[2].drain && !backends[1].drain && !backends[2].supervised);
	conf_free(conf);
}

static void counts_follow_the_cores(void **state)
{
	struct conf *conf = must_build("pool p { worker { command x; ports 81 count auto; } }");

	(void)state;
	assert_int_equal(conf->pools->backend_count, 2 * sysconf(_SC_NPROCESSORS_ONLN));
	conf_free(conf);
}

static void the_default_pool_is_served(void **state)
{
	struct conf *conf = must_build("pool q { } pool default { backend 127.0.0.1:8081; }");
	char text[ADDR_TEXT_BYTES];

	(void)state;
	assert_int_equal(conf->service_count, 1);
	assert_true(conf->services->implicit);
	assert_string_equal(conf->services->name, "default");
	assert_int_equal(conf->services->pool, 1);
	assert_int_equal(conf->services->listen_count, 2);
	assert_string_equal(addr_format_endpoint(&conf->services->listens[0], text), "0.0.0.0:80");
	assert_string_equal(addr_format_endpoint(&conf->services->listens[1], text), "[::]:80");
	conf_free(conf);
	conf = must_build("pool default { }");
	assert_int_equal(conf->service_count, 0);
	conf_free(conf);
	conf = must_build("pool default { } service web { pool default; listen 0.0.0.0:80; }");
	assert_int_equal(conf->service_count, 1);
	assert_false(conf->services->implicit);
	conf_free(conf);
}

/* Rules; whether others are denied; how many rules are left, and the verdict of 0.0.0.0/0 (-1: none). */
static const struct {
	const char *rules;
	bool default_deny;
	size_t count;
	int v4;
} access_rules[] = {
	{"", false, 0, -1},
	{"deny 10.0.0.0/8;", false, 1, -1},
	{"allow 10.0.0.0/8;", true, 1, -1},
	{"allow 10.0.0.0/8; allow all;", false, 1, -1},
	{"deny all;", true, 0, -1},
	{"allow all;", false, 0, -1},
	{"allow 10.0.0.0/8; deny all;", true, 1, -1},
	{"allow 0.0.0.0/0;", true, 1, 1},
	/* what is said of IPv6 is not said of IPv4 */
	{"allow ::/0;", true, 2, 0},
	{"deny ::/0;", false, 2, 1},
	{"deny ::/64;", false, 2, 1},
	{"deny ::/0; deny 0.0.0.0/0;", false, 2, 0},
	{"deny 2001:db8::/32;", false, 1, -1},
};

static void access_rules_have_a_default(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(access_rules) / sizeof(*access_rules); i++) {
		const struct conf_service *service;
		struct conf *conf;
		char text[256];
		int v4 = -1;

		snprintf(text, sizeof(text), S("%s"), access_rules[i].rules);
		conf = must_build(text);
		service = conf->services;
		for (size_t k = 0; k < service->acl_count; k++)
			if (service->acl[k].prefix_bits == 96 && addr_is_any(&service->acl[k].addr))
				v4 = service->acl[k].allow;
		if (service->default_deny != access_rules[i].default_deny ||
		    service->acl_count != access_rules[i].count || v4 != access_rules[i].v4)
			fail_msg("%s: default_deny %d, %zu rules, 0.0.0.0/0 %d", text,
				 service->default_deny, service->acl_count, v4);
		conf_free(conf);
	}
}

/* Inside of `static s { listen 1.2.3.4:80; root /; ... }`, and the command. */
static const struct {
	const char *settings, *command;
	bool inherit, dual_stack;
} statics[] = {
	{"ports 81;", "'lbstatic' --root '/'", true, true},
	{"ports 81; address ::1;", "'lbstatic' --root '/'", true, false},
	{"ports 81; dual_stack off;", "'lbstatic' --root '/'", true, false},
	{"ports 81; listen inherit;", "'lbstatic' --root '/'", true, true},
	{"ports 81; listen own;", "'lbstatic' --root '/' --listen '127.0.0.1:$port'", false, false},
	{"ports 81; listen own; address ::1;", "'lbstatic' --root '/' --listen '[::1]:$port'",
	 false, false},
	{"ports 81; header *.css \"X-Note: it's $port\";",
	 "'lbstatic' --root '/' --header '*.css' 'X-Note: it'\\''s $port'", true, true},
	{"ports 81; try_files / $uri /x;", "'lbstatic' --root '/' --try_files '/' '$$uri' '/x'",
	 true, true},
	{"ports 81; deny all /private; allow 10.0.0.0/8;",
	 "'lbstatic' --root '/' --deny 'all' '/private'", true, true},
};

static void static_is_a_pool_and_a_service(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(statics) / sizeof(*statics); i++) {
		struct conf *conf;
		char text[256];

		snprintf(text, sizeof(text), ST("%s"), statics[i].settings);
		conf = must_build(text);
		assert_string_equal(conf->pools->worker->command, statics[i].command);
		assert_int_equal(conf->pools->worker->inherit, statics[i].inherit);
		assert_int_equal(conf->pools->worker->dual_stack, statics[i].dual_stack);
		assert_string_equal(conf->pools->name, "s");
		assert_string_equal(conf->services->name, "s");
		assert_int_equal(conf->pools->backend_count, 1);
		conf_free(conf);
	}
}

static void static_finds_ports_and_paths(void **state)
{
	static const char text[] = "static a { listen 1.2.3.4:80; root .; access_log off; "
				   "counters x/y; auth /a htpasswd; }";
	struct conf *conf, *again;
	struct error error;
	struct block *root;

	(void)state;
	assert_int_equal(block_parse("/usr/lib/x.conf", text, strlen(text), &root, &error), 0);
	assert_int_equal(conf_build(root, &conf, &error), 0);
	assert_string_equal(conf->pools->worker->command,
			    "'lbstatic' --root '/usr/lib' --access_log 'off' --counters "
			    "'/usr/lib/x/y' --auth '/a' '/usr/lib/htpasswd'");
	assert_int_equal(conf->pools->worker->count, sysconf(_SC_NPROCESSORS_ONLN));
	assert_in_range(conf->pools->worker->first_port, 20000, 30000);
	again = must_build("static b { listen 1.2.3.4:81; root /; } "
			   "static a { listen 1.2.3.4:80; root /; }");
	assert_int_equal(conf->pools->worker->first_port, again->pools[1].worker->first_port);
	conf_free(again);
	conf_free(conf);
}

enum { STATIC_PORTS = 64, STATIC_PLACES = 156 };

/* A configuration of count static blocks, whose names are s and a number from first on. */
static struct conf *many_statics(unsigned first, unsigned count, const char *more)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	struct conf *conf;

	for (unsigned i = first; i < first + count; i++)
		fprintf(out, "static s%u { listen 1.2.3.4:%u; root /; }\n", i, 1000 + i);
	fprintf(out, "%s", more);
	fclose(out);
	conf = must_build(text);
	free(text);
	return conf;
}

static unsigned first_port_alone(unsigned number)
{
	struct conf *conf = many_statics(number, 1, "");
	unsigned port = conf->pools->worker->first_port;

	conf_free(conf);
	return port;
}

/* As many as there are places: each has one. */
static void names_of_static_share_no_ports(void **state)
{
	struct conf *conf = many_statics(0, STATIC_PLACES, "");
	bool has[STATIC_PLACES] = {false};

	(void)state;
	for (unsigned i = 0; i < STATIC_PLACES; i++) {
		unsigned port = conf->pools[i].worker->first_port;

		assert_in_range(port, 20000, 29983);
		assert_false(has[(port - 20000) / STATIC_PORTS]);
		has[(port - 20000) / STATIC_PORTS] = true;
	}
	conf_free(conf);
}

/* The first of two that have the same by their names keeps it, the other one has the next. */
static void the_first_static_keeps_its_ports(void **state)
{
	unsigned ports[STATIC_PLACES], one = 0, other = 0;
	struct conf *conf;
	char more[64];

	(void)state;
	for (unsigned i = 0; i < STATIC_PLACES; i++) {
		ports[i] = first_port_alone(i);
		for (unsigned j = 0; j < i; j++)
			if (ports[j] == ports[i]) {
				one = j;
				other = i;
			}
	}
	assert_true(other);
	snprintf(more, sizeof(more), "static s%u { listen 1.2.3.4:1; root /; }", other);
	conf = many_statics(one, 1, more);
	assert_int_equal(conf->pools[0].worker->first_port, ports[one]);
	assert_int_equal(conf->pools[1].worker->first_port,
			 20000 + (ports[one] - 20000 + STATIC_PORTS) %
					 (STATIC_PLACES * STATIC_PORTS));
	conf_free(conf);
}

static void one_static_too_many_is_told(void **state)
{
	struct error error = {""};
	struct conf *conf = NULL;
	char text[20000];
	size_t used = 0;

	(void)state;
	for (unsigned i = 0; i <= STATIC_PLACES; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "static s%u { listen 1.2.3.4:%u; root /; }\n", i,
					 1000 + i);
	assert_true(used < sizeof(text));
	assert_int_equal(build(text, &conf, &error), -EINVAL);
	assert_string_equal(error.text, "t:157:1: static s156: found 156 others without `ports` "
					"before it; write ports FIRST-LAST; in it");
}

static const struct {
	const char *text, *expanded;
} expansions[] = {
	{"", ""},
	{"plain", "plain"},
	{"--port=$port", "--port=8081"},
	{"${port}0 $index/$pool", "80810 2/web"},
	{"$$port $$$port", "$port $8081"},
	{"\\.css$ $1 $ ${", "\\.css$ $1 $ ${"},
	{"$ENV{LBD_TEST_SET}:$ENV{LBD_TEST_UNSET}:", "a $b::"},
	{"$unknown ${port", "$unknown ${port"},
};

static void variables_are_expanded(void **state)
{
	char host[256] = "", *expanded;

	(void)state;
	setenv("LBD_TEST_SET", "a $b", 1);
	unsetenv("LBD_TEST_UNSET");
	for (size_t i = 0; i < sizeof(expansions) / sizeof(*expansions); i++) {
		expanded = conf_expand(expansions[i].text, "web", 8081, 2);
		assert_string_equal(expanded, expansions[i].expanded);
		free(expanded);
	}
	gethostname(host, sizeof(host) - 1);
	expanded = conf_expand("$host_name", NULL, 0, 0);
	assert_string_equal(expanded, host);
	free(expanded);
	expanded = conf_expand("$port $pool", NULL, 0, 0);
	assert_string_equal(expanded, "$port $pool");
	free(expanded);
}

/* A command, and its words with | after each; NULL: refused. */
static const struct {
	const char *text, *words;
} commands[] = {
	{"", ""},
	{"  ", ""},
	{"a", "a|"},
	{" a  b\tc\n", "a|b|c|"},
	{"a 'b c' \"d e\"", "a|b c|d e|"},
	{"a'b'\"c\"d", "abcd|"},
	{"'' \"\"", "||"},
	{"'a\\' \"b\\\"\\$\\x\"", "a\\|b\"$\\x|"},
	{"'a\\\"\\$'", "a\\\"\\$|"},
	{"a\\ b \\'c", "a b|'c|"},
	{"a\\", "a\\|"},
	{"'it'\\''s'", "it's|"},
	{"x > y; z", "x|>|y;|z|"},
	{"'a", NULL},
	{"\"a", NULL},
	{"\"a\\\"", NULL},
};

static void commands_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		char joined[64] = "";
		struct error error;
		char **words = NULL;
		int code = conf_split(commands[i].text, &words, &error);

		assert_int_equal(code, commands[i].words ? 0 : -EINVAL);
		if (!commands[i].words)
			continue;
		for (char **word = words; *word; word++)
			strcat(strcat(joined, *word), "|");
		assert_string_equal(joined, commands[i].words);
		conf_words_free(words);
	}
	conf_words_free(NULL);
}

static void paths_start_at_the_file(void **state)
{
	char directory[] = "/tmp/test_conf.XXXXXX", path[64], wanted[64];
	struct conf *conf = NULL;
	struct error error = {""};
	FILE *out;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/lbd.conf", directory);
	out = fopen(path, "w");
	fputs("pid_file x.pid; include *.more; " W("environment_file lbd.conf; directory .;"), out);
	fclose(out);
	if (conf_read(path, &conf, &error))
		fail_msg("%s", error.text);
	snprintf(wanted, sizeof(wanted), "%s/x.pid", directory);
	assert_string_equal(conf->pid_file, wanted);
	assert_string_equal(conf->pools->worker->environment_files[0], path);
	assert_string_equal(conf->pools->worker->directory, directory);
	conf_free(conf);
	unlink(path);
	rmdir(directory);
	assert_int_equal(conf_read(path, &conf, &error), -ENOENT);
}

/* count of "before N after", N counting up from first. */
static char *many(const char *before, unsigned first, unsigned count, const char *after)
{
	size_t length;
	char *text;
	FILE *out = open_memstream(&text, &length);

	for (unsigned i = 0; i < count; i++)
		fprintf(out, "%s%u%s", before, first + i, after);
	fclose(out);
	return text;
}

static const struct {
	const char *before, *after;
	unsigned first, count;
	const char *frame, *message;
} limits[] = {
	{"pool p", "{} ", 0, 512, "%s", NULL},
	{"pool p", "{} ", 0, 513, "%s", "found more than 512 pools"},
	{"backend 1.1.1.1:", ";", 1, 4096, "pool p { %s }", NULL},
	{"backend 1.1.1.1:", ";", 1, 4097, "pool p { %s }", "found more than 4096 backends"},
	{"backend 1.1.1.1:", ";", 1, 4096, "pool p { %s } pool q { backend 2.2.2.2:2; }",
	 "found 4097 backends in all pools"},
	{"listen 1.1.1.1:", ";", 1, 4097, "pool p { } service s { pool p; %s }",
	 "found more than 4096 addresses"},
	{"listen 1.1.1.1:", ";", 1, 4096,
	 "pool p { } service s { pool p; %s } service r { pool p; listen 2.2.2.2:2; }",
	 "found 4097 listen addresses"},
	{"allow 10.1.1.", ";", 1, 255, "pool p { } service s { pool p; listen 1.1.1.1:1; %s }",
	 NULL},
};

static void limits_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		char *part =
			many(limits[i].before, limits[i].first, limits[i].count, limits[i].after);
		size_t room = strlen(part) + strlen(limits[i].frame) + 1;
		char *text = malloc(room);
		struct conf *conf = NULL;
		struct error error = {""};
		const char *mark = strstr(limits[i].frame, "%s");
		int code;

		snprintf(text, room, "%.*s%s%s", (int)(mark - limits[i].frame), limits[i].frame,
			 part, mark + 2);
		code = build(text, &conf, &error);
		if (code != (limits[i].message ? -EINVAL : 0) ||
		    (code && !strstr(error.text, limits[i].message)))
			fail_msg("row %zu: %d %s", i, code, error.text);
		conf_free(conf);
		free(text);
		free(part);
	}
}

static void what_is_large_is_quick(void **state)
{
	char *part = many("backend 10.0.0.1:", 1, 4096, " weight 5 max_connections 100;\n");
	char *text = malloc(strlen(part) + 64);
	struct timespec start, end;
	struct conf *conf;

	(void)state;
	sprintf(text, "pool p {\n%s}\n", part);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	conf = must_build(text);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	print_message("4096 backends take %.1f ms of CPU time to read and build\n",
		      (double)(end.tv_sec - start.tv_sec) * 1e3 +
			      (double)(end.tv_nsec - start.tv_nsec) / 1e6);
	conf_free(conf);
	free(text);
	free(part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(what_is_allowed_is_taken),
		cmocka_unit_test(a_pool_has_its_defaults),
		cmocka_unit_test(a_worker_has_its_settings),
		cmocka_unit_test(weights_and_limits_have_a_default),
		cmocka_unit_test(counts_follow_the_cores),
		cmocka_unit_test(the_default_pool_is_served),
		cmocka_unit_test(access_rules_have_a_default),
		cmocka_unit_test(static_is_a_pool_and_a_service),
		cmocka_unit_test(static_finds_ports_and_paths),
		cmocka_unit_test(names_of_static_share_no_ports),
		cmocka_unit_test(the_first_static_keeps_its_ports),
		cmocka_unit_test(one_static_too_many_is_told),
		cmocka_unit_test(variables_are_expanded),
		cmocka_unit_test(commands_are_split),
		cmocka_unit_test(paths_start_at_the_file),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(what_is_large_is_quick),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
