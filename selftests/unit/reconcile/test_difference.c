/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever can be written in lbd.conf: a change of it is told, and what is the same is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/private.h"
#include "reconcile/difference.h"

/* The directives of a block, and a configuration with room for one. */
struct part {
	const struct conf_directive *table;
	const char *frame;
};

#define SERVICE "service web { listen 0.0.0.0:80; pool web; } "
#define WORKER  "worker { command true; ports 8081-8084; "

enum { TOP, CONTROL, POOL, POOL_OF_WORKERS, WORKERS, HEALTH, EXEC, SERVED, PARTS };

static const struct part parts[PARTS] = {
	[TOP] = {conf_top_table, SERVICE "pool web { backend 127.0.0.1:9; } %s"},
	[CONTROL] = {conf_control_table,
		     SERVICE "pool web { backend 127.0.0.1:9; } control { %s }"},
	[POOL] = {conf_pool_table, SERVICE "pool web { backend 127.0.0.1:9; %s }"},
	[POOL_OF_WORKERS] = {NULL, SERVICE "pool web { " WORKER "} %s }"},
	[WORKERS] = {conf_worker_table, SERVICE "pool web { worker { %s } }"},
	[HEALTH] = {conf_health_table, SERVICE "pool web { " WORKER "} health { %s } }"},
	[EXEC] = {NULL, SERVICE "pool web { " WORKER "user daemon; } health { %s } }"},
	[SERVED] = {conf_service_table,
		    "pool web { backend 127.0.0.1:9; } pool b { backend 127.0.0.1:10; }"
		    "service web { %s }"},
};

#define W "command true; ports 8081-8084; "
#define L "listen 0.0.0.0:80; "

static const struct row {
	unsigned part;
	const char *name; /* the directive of the part's table that this is about */
	const char *from, *to;
} rows[] = {
	{TOP, "attach", "", "attach eth9;"},
	{TOP, "attach", "attach eth9;", "attach eth9 generic;"},
	{TOP, "log", "", "log /tmp/a;"},
	{TOP, "log", "log /tmp/a size 1m;", "log /tmp/a size 2m;"},
	{TOP, "log", "log /tmp/a files 1;", "log /tmp/a files 2;"},
	{TOP, "log_directory", "", "log_directory /tmp;"},
	{TOP, "pid_file", "pid_file /run/a;", "pid_file /run/b;"},
	{TOP, "min_files", "", "min_files 99;"},
	{TOP, "min_processes", "", "min_processes 99;"},
	{TOP, "hash_seed", "", "hash_seed 00112233445566778899aabbccddeeff;"},
	{TOP, "hash_seed", "hash_seed 00112233445566778899aabbccddeeff;",
	 "hash_seed 00112233445566778899aabbccddeefe;"},
	{TOP, "pool", "", "pool c { backend 127.0.0.1:11; }"},
	{TOP, "service", "", "service c { listen 0.0.0.0:81; pool web; }"},
	{TOP, "static", "static c { listen 0.0.0.0:81; root /tmp; }",
	 "static c { listen 0.0.0.0:81; root /tmp; listing on; }"},
	{CONTROL, "mode", "", "mode 666;"},
	{CONTROL, "owner", "", "owner daemon;"},
	{CONTROL, "group", "", "group daemon;"},
	{POOL, "scheduler", "", "scheduler random;"},
	{POOL, "backend", "", "backend 127.0.0.1:10;"},
	{POOL, "backend", "backend 127.0.0.1:10;", "backend 127.0.0.1:10 weight 2;"},
	{POOL, "backend", "backend 127.0.0.1:10;", "backend 127.0.0.1:10 max_connections 2;"},
	{POOL, "backend", "backend 127.0.0.1:10;", "backend 127.0.0.1:10 owner daemon;"},
	{POOL, "backend", "backend 127.0.0.1:10;", "backend 127.0.0.1:10 drain;"},
	{POOL, "owner", "owner root;", "owner daemon;"},
	{POOL, "weight", "", "weight 2;"},
	{POOL, "max_connections", "", "max_connections 2;"},
	{POOL, "drain_timeout", "", "drain_timeout 1s;"},
	{POOL, "slow_start", "", "slow_start 1s;"},
	{POOL, "roll_parallel", "", "roll_parallel 2;"},
	{POOL, "all_down", "all_down serve;", "all_down refuse;"},
	{POOL, "worker", "", WORKER "}"},
	{POOL, "worker", "backend 127.0.0.1:8081;", "worker { command true; ports 8081; }"},
	{POOL, "health", "", "health { tcp; }"},
	{POOL_OF_WORKERS, "weight", "weight 2;", "weight 3;"},
	{WORKERS, "command", W, "command false; ports 8081-8084;"},
	{WORKERS, "ports", W, "command true; ports 8081-8083;"},
	{WORKERS, "address", W, W "address 127.0.0.2;"},
	{WORKERS, "listen", W, W "listen inherit;"},
	{WORKERS, "dual_stack", W "listen inherit;", W "listen inherit; dual_stack on;"},
	{WORKERS, "backlog", W "listen inherit;", W "listen inherit; backlog 9;"},
	{WORKERS, "directory", W, W "directory /tmp;"},
	{WORKERS, "user", W, W "user daemon;"},
	{WORKERS, "group", W, W "group daemon;"},
	{WORKERS, "umask", W, W "umask 077;"},
	{WORKERS, "inherit_environment", W, W "inherit_environment on;"},
	{WORKERS, "environment", W "environment A=1;", W "environment A=2;"},
	{WORKERS, "environment_file", W, W "environment_file /dev/null;"},
	{WORKERS, "autostart", W, W "autostart off;"},
	{WORKERS, "restart", W, W "restart never;"},
	{WORKERS, "exit_codes", W, W "exit_codes 3;"},
	{WORKERS, "start_retries", W, W "start_retries 3;"},
	{WORKERS, "start_timeout", W, W "start_timeout 3s;"},
	{WORKERS, "stable", W, W "stable 3s;"},
	{WORKERS, "backoff", W "backoff 1s 9s;", W "backoff 2s 9s;"},
	{WORKERS, "backoff", W "backoff 1s 9s;", W "backoff 1s 8s;"},
	{WORKERS, "ready", W, W "ready notify;"},
	{WORKERS, "watchdog", W "ready notify;", W "ready notify; watchdog 9s;"},
	{WORKERS, "stop_signal", W, W "stop_signal INT;"},
	{WORKERS, "stop_timeout", W, W "stop_timeout 3s;"},
	{WORKERS, "priority", W, W "priority 3;"},
	{WORKERS, "stdout", W, W "stdout /tmp/a;"},
	{WORKERS, "stdout", W, W "stdout syslog;"},
	{WORKERS, "stdout", W "stdout /tmp/a;", W "stdout /tmp/a size 3m;"},
	{WORKERS, "stdout", W "stdout /tmp/a;", W "stdout /tmp/a files 3;"},
	{WORKERS, "stdout", W "stdout /tmp/a;", W "stdout /tmp/a age 3d;"},
	{WORKERS, "stdout", W "stdout /tmp/a;", W "stdout /tmp/a prefix;"},
	{WORKERS, "stderr", W "stderr stdout;", W "stderr /tmp/a;"},
	{WORKERS, "limit", W, W "limit nofile 99;"},
	{WORKERS, "limit", W, W "limit core 99;"},
	{WORKERS, "limit", W, W "limit memory 99m;"},
	{WORKERS, "limit", W, W "limit pids 99;"},
	{WORKERS, "limit", W, W "limit cpu 99%;"},
	{WORKERS, "no_new_privileges", W, W "no_new_privileges on;"},
	{WORKERS, "private_tmp", W, W "private_tmp on;"},
	{WORKERS, "capabilities", W, W "capabilities none;"},
	{WORKERS, "capabilities", W "capabilities none;", W "capabilities chown;"},
	{WORKERS, "read_only", W, W "read_only /usr;"},
	{WORKERS, "fuse", W, W "fuse on;"},
	{WORKERS, "nice", W, W "nice 3;"},
	{WORKERS, "before_start", W, W "before_start true;"},
	{WORKERS, "before_start", W "before_start true;", W "before_start true user root;"},
	{WORKERS, "after_stop", W, W "after_stop true;"},
	{WORKERS, "after_stop", W "after_stop true;", W "after_stop true user root;"},
	{WORKERS, "recycle", W, W "recycle age 1h;"},
	{WORKERS, "recycle", W, W "recycle memory 1g;"},
	{HEALTH, "tcp", "http /;", "tcp;"},
	{HEALTH, "http", "http /;", "http /a;"},
	{HEALTH, "http", "http /;", "http / host a;"},
	{HEALTH, "http", "http /;", "http / status 200;"},
	{HEALTH, "exec", "exec true;", "exec false;"},
	{HEALTH, "exec", "exec true;", "exec true user daemon;"},
	{EXEC, "exec", "exec true;", "exec true user root;"},
	{HEALTH, "interval", "tcp;", "tcp; interval 1s;"},
	{HEALTH, "timeout", "tcp;", "tcp; timeout 1s;"},
	{HEALTH, "rise", "tcp;", "tcp; rise 1;"},
	{HEALTH, "fall", "tcp;", "tcp; fall 1;"},
	{HEALTH, "on_failure", "tcp;", "tcp; on_failure restart;"},
	{SERVED, "listen", L, L "listen 0.0.0.0:81;"},
	{SERVED, "listen", L, "listen 127.0.0.1:80;"},
	{SERVED, "pool", L, L "pool b;"},
	{SERVED, "allow", L, L "allow 127.0.0.1;"},
	{SERVED, "deny", L, L "deny 127.0.0.1;"},
	{SERVED, "deny", L, L "deny all;"},
	{SERVED, "deny", L "allow 127.0.0.1;", L "deny 127.0.0.1;"},
	{SERVED, "deny", L "deny 127.0.0.0/8;", L "deny 127.0.0.0/16;"},
};

enum { ROWS = sizeof(rows) / sizeof(*rows) };

static struct conf *conf_of(const struct part *part, const char *inner)
{
	struct error error;
	struct conf *conf;
	char text[1024];

	/* Not a literal: which one is the row's to say. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), part->frame, inner);
#pragma GCC diagnostic pop
	if (conf_read_text("test", text, strlen(text), &conf, &error))
		fail_msg("%s: %s", inner, error.text);
	return conf;
}

static unsigned print_changes(const struct part *part, const char *before, const char *after,
			      char **text)
{
	struct conf *from = conf_of(part, before), *to = conf_of(part, after);
	size_t length;
	FILE *out = open_memstream(text, &length);
	unsigned count = difference_print(from, to, out);

	fclose(out);
	conf_free(from);
	conf_free(to);
	return count;
}

static unsigned changes(const struct part *part, const char *before, const char *after)
{
	char *text = NULL;
	unsigned count = print_changes(part, before, after, &text), lines = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, count);
	free(text);
	return count;
}

/* What a backend is given is told with what it had. */
static void test_told_from_and_to(void **state)
{
	static const struct {
		unsigned part;
		const char *from, *to, *text;
	} said[] = {
#define B "backend 127.0.0.1:10"
		{POOL, B ";", B " weight 5;", B ": weight 5, was 1"},
		{POOL, B " max_connections 7;", B " weight 2;",
		 B ": weight 2, was 1\npool web: " B ": max_connections none, was 7"},
		{POOL, B ";", B " drain;", B ": drained, was not"},
		{POOL, B " drain;", B ";", B ": not drained, was so"},
		{POOL, B " owner root;", B " owner daemon;", B ": owner daemon, was root"},
		{POOL, B ";", B " owner daemon;", B ": owner daemon, was any"},
#undef B
		{SERVED, L, L "pool b;", "service web: pool b, was web\n"},
		{SERVED, L, "listen [::1]:81;",
		 "service web: listen 0.0.0.0:80 removed\nservice web: listen [::1]:81 added\n"},
		{SERVED, L, L "deny 10.0.0.0/8;", "service web: deny 10.0.0.0/8 added\n"},
		{SERVED, L "deny 10.0.0.0/8;", L "allow 10.0.0.0/8; allow all;",
		 "service web: deny 10.0.0.0/8 removed\nservice web: allow 10.0.0.0/8 added\n"},
		{SERVED, L, L "deny all;",
		 "service web: clients that no rule names are denied, were allowed\n"},
		{SERVED, L "allow fd00::/8;", L,
		 "service web: allow fd00::/8 removed\nservice web: clients that no rule names are "
		 "allowed, were denied\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
		char *text = NULL;

		print_changes(&parts[said[i].part], said[i].from, said[i].to, &text);
		if (!strstr(text, said[i].text))
			fail_msg("%s: told %s", said[i].to, text);
		free(text);
	}
}

#define WEB(n)      "pool " #n " { worker { command true; ports 8081-8082; } } "
#define API(n)      "pool " #n " { worker { command true; ports 8083; } } "
#define PART(n)     "pool " #n " { worker { command true; ports 8082-8083; } } "
#define BOTH(n)     "pool " #n " { backend 127.0.0.1:9; worker { command true; ports 8083; } } "
#define PLAIN(n)    "pool " #n " { backend 127.0.0.1:8083; } "
#define CHECKED(n)  "pool " #n " { backend 127.0.0.1:9; health { tcp; } } "
#define FAR         "pool far { backend 127.0.0.1:9; } "
#define SV(n, l, p) "service " #n " { listen " l "; pool " #p "; } "
#define ST(n)       "static " #n " { root /tmp; listen 0.0.0.0:80; } "
static const struct {
	const char *from, *to;
	const char *who; /* NULL: nobody waits */
} moves[] = {
	{WEB(a) SV(a, "0.0.0.0:80", a), API(b) SV(b, "0.0.0.0:80", b), "service b: its pool b"},
	{WEB(a) SV(s, "0.0.0.0:80", a), API(b) SV(s, "0.0.0.0:80", b), "service s: its pool b"},
	{ST(one), ST(two), "service two: its pool two"},
	{ST(one), WEB(a) SV(s, "0.0.0.0:80", a), "service s: its pool a"},
	{WEB(a) SV(s, "0.0.0.0:80", a), ST(two), "service two: its pool two"},
	{WEB(a) SV(s, "0.0.0.0:80", a),
	 WEB(a) SV(s, "0.0.0.0:80", a) API(b) SV(t, "10.0.0.1:80", b), "service t: its pool b"},
	{WEB(a) SV(s, "10.0.0.1:80", a), API(b) SV(t, "0.0.0.0:80", b), "service t: its pool b"},
	{WEB(a) SV(s, "10.0.0.1:80", a),
	 WEB(a) SV(s, "10.0.0.1:80", a) API(b) SV(t, "0.0.0.0:80", b), NULL},
	{WEB(a) SV(s, "0.0.0.0:80", a), WEB(a) SV(s, "0.0.0.0:80", a) API(b) SV(t, "0.0.0.0:81", b),
	 NULL},
	{WEB(a) SV(s, "0.0.0.0:80", a), WEB(a) SV(t, "0.0.0.0:80", a), NULL},
	{WEB(a) SV(s, "0.0.0.0:80", a), FAR SV(t, "0.0.0.0:80", far), NULL},
	{WEB(a) SV(s, "0.0.0.0:80", a), API(b) SV(t, "[::]:80", b), NULL},
	{FAR SV(s, "0.0.0.0:80", far), BOTH(b) SV(s, "0.0.0.0:80", b), NULL},
	{FAR SV(s, "0.0.0.0:80", far), CHECKED(b) SV(s, "0.0.0.0:80", b), NULL},
	{WEB(a) SV(s, "0.0.0.0:80", a), BOTH(b) SV(s, "0.0.0.0:80", b), NULL},
	{WEB(a) SV(s, "0.0.0.0:80", a), CHECKED(b) SV(s, "0.0.0.0:80", b), "service s: its pool b"},
	{API(a) SV(s, "0.0.0.0:80", a), PLAIN(b) SV(s, "0.0.0.0:80", b), "service s: its pool b"},
	{WEB(a) FAR SV(s, "0.0.0.0:80", a), CHECKED(a) SV(s, "0.0.0.0:80", a), NULL},
	{WEB(a) SV(s, "0.0.0.0:80", a), CHECKED(a) SV(s, "0.0.0.0:80", a),
	 "pool a: none of its backends stays"},
	{WEB(a) SV(s, "0.0.0.0:80", a), WEB(b) SV(s, "0.0.0.0:80", b),
	 "service s: its pool b is new, on the ports of pool a"},
	{WEB(a) SV(s, "0.0.0.0:80", a), PART(b) SV(s, "0.0.0.0:80", b),
	 "service s: its pool b is new: clients"},
};

/* By what clients see, whatever the names: those of one address are sent to workers that are to be started. */
static void test_a_move_is_told(void **state)
{
	static const struct part whole = {NULL, "%s"};

	(void)state;
	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
		const char *who = moves[i].who;
		char *text = NULL;

		print_changes(&whole, moves[i].from, moves[i].to, &text);
		if (who ? !strstr(text, who) || !strstr(text, "clients wait")
			: strstr(text, "clients wait") != NULL)
			fail_msg("%zu: told %s", i, text);
		free(text);
	}
}

static void test_told(void **state)
{
	(void)state;
	for (const struct row *row = rows; row < rows + ROWS; row++) {
		if (!changes(&parts[row->part], row->from, row->to))
			fail_msg("not told: %s, was %s", row->to, row->from);
		if (!changes(&parts[row->part], row->to, row->from))
			fail_msg("not told: %s, was %s", row->from, row->to);
	}
}

static void test_same(void **state)
{
	(void)state;
	for (const struct row *row = rows; row < rows + ROWS; row++)
		if (changes(&parts[row->part], row->to, row->to))
			fail_msg("told, and is the same: %s", row->to);
}

static bool has_row(unsigned part, const char *name)
{
	for (const struct row *row = rows; row < rows + ROWS; row++)
		if (row->part == part && !strcmp(row->name, name))
			return true;
	return false;
}

/* `include` stands for what it brings in. */
static void test_every_directive_has_a_row(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PARTS; i++)
		for (const struct conf_directive *at = parts[i].table; at && at->name; at++)
			if (!has_row(i, at->name) && strcmp(at->name, "include") &&
			    strcmp(at->name, "control"))
				fail_msg("no row for %s", at->name);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_told_from_and_to),
		cmocka_unit_test(test_a_move_is_told),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_every_directive_has_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
