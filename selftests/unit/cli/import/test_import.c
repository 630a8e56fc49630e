/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "import/import.h"
#include "import/port.h"

enum { NEEDLES = 8 };

static char directory[] = "/tmp/test_import.XXXXXX", nginx_path[64], supervisor_path[64];

static void write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	fputs(text, out);
	fclose(out);
}

/* The result, with DIR for the directory; NULL after an error. */
static char *import(const char *nginx, const char *supervisor, int *code, struct error *error)
{
	char *files[2], *text = NULL, *at;
	int count = 0;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (nginx) {
		write_file(nginx_path, nginx);
		files[count++] = nginx_path;
	}
	if (supervisor) {
		write_file(supervisor_path, supervisor);
		files[count++] = supervisor_path;
	}
	*code = import_files(count, files, out, error);
	fclose(out);
	while ((at = strstr(text, directory))) {
		memcpy(at, "DIR", 3);
		memmove(at + 3, at + strlen(directory), strlen(at + strlen(directory)) + 1);
	}
	return text;
}

#define UP(servers)     "http { upstream u { " servers " } server { listen 80; proxy_pass http://u; } }"
#define SERVER(inside)  "http { upstream u { server 10.0.0.1:80; } server { " inside " } }"
#define PROXY           "location / { proxy_pass http://u; }"
#define PROGRAM(inside) "[program:p]\n" inside "\n"

/* Files, and what must (after a !: must not) be in the result. */
static const struct {
	const char *nginx, *supervisor, *needles[NEEDLES];
} rows[] = {
	/* upstreams */
	{UP("server 10.0.0.1:81 weight=5 max_conns=7; server 10.0.0.2; server [::1]:82 down;"),
	 NULL,
	 {"\tbackend 10.0.0.1:81 weight 5 max_connections 7;\n", "\tbackend 10.0.0.2:80;\n",
	  "\tbackend [::1]:82 drain;\n", "lbd prefers the less loaded", "pool u {", "service u {"}},
	{UP("least_conn; server 10.0.0.1:1;"), NULL, {"!scheduler", "!took turns"}},
	{UP("ip_hash; server 10.0.0.1:1;"), NULL, {"scheduler source_hash;"}},
	{UP("hash $remote_addr consistent; server 10.0.0.1:1;"), NULL, {"scheduler source_hash;"}},
	{UP("hash $request_uri consistent; server 10.0.0.1:1;"),
	 NULL,
	 {"scheduler maglev;", "hash $request_uri consistent: lbd does not read requests"}},
	{UP("random two least_conn; server 10.0.0.1:1;"), NULL, {"scheduler random;"}},
	{UP("server 10.0.0.1:1 backup;"),
	 NULL,
	 {"backend 10.0.0.1:1 drain;", "no spare backends: it is drained until"}},
	{UP("server 127.0.0.1:9001; server 127.0.0.1:9002 backup;"),
	 "[program:q]\ncommand=b --port=900%(process_num)d\nnumprocs=2\nnumprocs_start=1\n"
	 "process_name=%(process_num)d\n",
	 {"no spare backends: drain it with `lbctl pool drain`", "!it is drained until"}},
	{SERVER("location /ws { proxy_pass http://127.0.0.1:9; } location / { try_files $uri @app; "
		"} "
		"location @app { proxy_pass http://u; }"),
	 NULL,
	 {"service u {", "location /ws: all paths go to the same pool", "!service 127.0.0.1_9"}},
	{SERVER("location /ws { proxy_pass http://127.0.0.1:9; } try_files $uri @app; "
		"location @app { proxy_pass http://u; }"),
	 NULL,
	 {"service u {", "!service 127.0.0.1_9"}},
	{UP("server 10.0.0.1:1 max_fails=3 fail_timeout=5s;"),
	 NULL,
	 {"health {\n\t\ttcp;\n\t\tfall 3;\n", "fail_timeout: see interval"}},
	{UP("server 10.0.0.1:1 max_fails=0;"), NULL, {"!health"}},
	{UP("server 10.0.0.1:1 slow_start=30s;"), NULL, {"slow_start 30s;"}},
	{UP("server unix:/run/x.sock;"), NULL, {"cannot be handed to a Unix socket", "!backend "}},
	{UP("server app.example.org:80;"), NULL, {"write the address of that name"}},
	{UP("server localhost:81; keepalive 16; zone z 64k;"),
	 NULL,
	 {"backend 127.0.0.1:81;", "keepalive 16: connections are the clients' own",
	  "zone z 64k:"}},
	{UP("server 10.0.0.1:1 weight=0;"), NULL, {"weights go from 1 to 1000"}},
	{UP("server 10.0.0.1:1 resolve;"), NULL, {"resolve has no counterpart"}},
	{"http { upstream a { server 10.0.0.1:1; } upstream b { server 10.0.0.1:1; } }",
	 NULL,
	 {"a backend belongs to one pool"}},
	{"stream { upstream u { server 10.0.0.1:1; } server { listen 5432; proxy_pass u; } }",
	 NULL,
	 {"service u {\n\tlisten 0.0.0.0:5432;\n\tpool u;\n"}},
	/* servers */
	{SERVER("listen 80; listen [::]:80; listen 10.0.0.9:81; listen *:82; " PROXY),
	 NULL,
	 {"listen 0.0.0.0:80;\n\tlisten [::]:80;\n\tlisten 10.0.0.9:81;\n\tlisten 0.0.0.0:82;\n"}},
	{SERVER("listen [::]:80 ipv6only=off; " PROXY),
	 NULL,
	 {"listen [::]:80;\n\tlisten 0.0.0.0:80;\n"}},
	{SERVER(PROXY), NULL, {"listen 0.0.0.0:80;"}},
	{SERVER("listen 443 ssl; ssl_certificate x; " PROXY),
	 NULL,
	 {"listen 0.0.0.0:443;", "TLS passes through", "ssl_certificate x: TLS passes"}},
	{SERVER("listen unix:/x; listen 81; " PROXY), NULL, {"an address and a TCP port", ":81;"}},
	{SERVER("listen 80; " PROXY " } server { listen 80; server_name b; " PROXY),
	 NULL,
	 {"a service before listens there already", "nothing is left that it could listen on"}},
	{SERVER("listen 80; " PROXY " } server { listen 81; " PROXY),
	 NULL,
	 {"service u {", "service u_2 {\n\tlisten 0.0.0.0:81;\n\tpool u;"}},
	{SERVER(PROXY " location /api { proxy_pass http://u; }"),
	 NULL,
	 {"location /api: all paths go to the same pool"}},
	{SERVER("location / { proxy_pass http://127.0.0.1:3000/x; }"),
	 NULL,
	 {"backend 127.0.0.1:3000;", "pool 127.0.0.1_3000 {"}},
	{SERVER("location / { proxy_pass http://$backend; }"), NULL, {"names no upstream"}},
	{SERVER("return 301 https://$host$request_uri;"), NULL, {"passes nothing on"}},
	/* access */
	{SERVER("allow 10.1.2.3/8; deny all; " PROXY), NULL, {"allow 10.0.0.0/8;\n\tdeny all;"}},
	{SERVER("deny 10.0.0.0/8; allow 10.1.0.0/16; allow all; " PROXY),
	 NULL,
	 {"deny 10.0.0.0/8;", "allow 10.1.0.0/16: an earlier rule decided", "allow all;"}},
	{SERVER("allow unix:; deny all; " PROXY), NULL, {"no address that a TCP client has"}},
	/* files */
	{"http { server { listen 81; server_name x.org; root /tmp; index a.html; autoindex on; "
	 "expires 1h30m; add_header X-A \"b c\"; charset utf-8; error_page 404 410 /e.html; "
	 "location ~* \\.(css|jpe?g)$ { expires max; } location = /f { expires -1; } "
	 "location /a/ { alias /; deny 10.0.0.0/8; } location ~ ^/x { root /; } "
	 "location /try { try_files $uri $uri/ /index.html; } } }",
	 NULL,
	 {"static x.org_files {\n\tlisten 0.0.0.0:81;\n\troot /tmp;\n\tindex a.html;\n"
	  "\tlisting on;\n\texpires / 5400s;\n\theader / \"X-A: b c\";\n",
	  "\terror_page 404 /e.html;\n\terror_page 410 /e.html;\n",
	  "\texpires *.css 315360000s;\n\texpires *.jpg 315360000s;\n\texpires *.jpeg "
	  "315360000s;\n",
	  "\theader /f \"Cache-Control: no-cache\";\n", "\talias /a/ /;\n\tdeny 10.0.0.0/8 /a/;\n",
	  "location ~ ^/x: lbstatic has /prefix", "\tfallback /try /index.html;\n"}},
	{SERVER("listen 80; location /s/ { root /tmp; } " PROXY),
	 NULL,
	 {"static files {\n\tlisten 0.0.0.0:8000;\n\troot /tmp;\n", "is on a port of its own"}},
	/* lbd itself */
	{NULL,
	 "[supervisord]\nlogfile=x.log\nlogfile_maxbytes=1GB\nlogfile_backups=3\npidfile=/run/"
	 "x.pid\n"
	 "childlogdir=/tmp\nminfds=9\nuser=root\n[unix_http_server]\nchmod=0770\nchown=root:root\n"
	 "[inet_http_server]\nport=9001\n[group:g]\nprograms=a,b\n",
	 {"# supervisord had DIR/x.log\nlog DIR/lbd.log size 1g files 3;",
	  "# supervisord had /run/x.pid\npid_file /run/lbd.pid;", "log_directory /tmp;",
	  "min_files 9;", "user = root: lbd needs root", "mode 0770;\n\towner root;\n\tgroup root;",
	  "port = 9001: lbd is not controlled", "programs = a,b: a pool is a group"}},
	/* programs */
	{NULL,
	 PROGRAM("command=a --port=80%(process_num)02d\nnumprocs=3\nprocess_name=%(process_num)d"),
	 {"command \"a --port=$port\";\n\t\tports 8000-8002;\n", "restart on_failure;",
	  "process_name = %(process_num)d: a worker is called"}},
	{NULL,
	 PROGRAM("command=gunicorn -b 0.0.0.0:8000 app"),
	 {"command \"gunicorn -b 0.0.0.0:$port app\";", "ports 8000;", "address 0.0.0.0;"}},
	{NULL,
	 PROGRAM("command=a -p 8000 --seed 9000"),
	 {"\"a -p $port --seed 9000\"", "ports 8000;"}},
	{NULL, PROGRAM("command=python3 s.py 8000"), {"\"python3 s.py $port\"", "ports 8000;"}},
	{NULL,
	 PROGRAM("command=a\nenvironment=PORT=\"8000\",X=\"$y ENV\""),
	 {"command a;", "environment PORT=$port \"X=$$y ENV\";"}},
	{NULL, PROGRAM("command=%(ENV_X)s/a --port=8000 %%"), {"\"$ENV{X}/a --port=$port %\""}},
	{NULL,
	 PROGRAM("command=a --port=900%(process_num)d --id=%(process_num)d\nnumprocs=2\n"
		 "numprocs_start=1\nstdout_logfile=/tmp/%(program_name)s_%(process_num)02d.log\n"
		 "process_name=%(process_num)d"),
	 {"--port=$port --id=$index", "$index counts from 0", "stdout /tmp/p_$port.log size 50m"}},
	{NULL,
	 PROGRAM("command=a --port=8000\nautostart=false\nautorestart=true\nstartsecs=5\n"
		 "startretries=4\nexitcodes=0,2\nstopsignal=INT\nstopwaitsecs=20\numask=077\n"
		 "priority=5\nuser=root\ndirectory=/tmp\nkillasgroup=true"),
	 {"directory /tmp;\n\t\tuser root;\n\t\tumask 077;\n\t\tpriority 5;\n\t\tstart_retries 4;\n"
	  "\t\tstop_signal INT;\n\t\tstable 5s;\n\t\tstop_timeout 20s;\n\t\tautostart off;\n"
	  "\t\trestart always;\n\t\texit_codes 0 2;\n",
	  "killasgroup = true: what a worker leaves behind"}},
	{NULL,
	 PROGRAM("command=a --port=8000\nstdout_logfile=NONE\nstderr_logfile=/tmp/e\n"
		 "stderr_logfile_maxbytes=0\nstderr_logfile_backups=1"),
	 {"stdout none;", "stderr /tmp/e size 0 files 1;"}},
	{NULL, PROGRAM("command=a --port=8000\nstdout_syslog=true"), {"stdout syslog;"}},
	{NULL, PROGRAM("command=a --port=8000\nstdout_logfile=AUTO"), {"!stdout "}},
	{NULL, PROGRAM("command=a --port=8000\nstdout_logfile=/dev/stdout"), {"stdout journal;"}},
	{NULL, PROGRAM("command=celery worker -c 4"), {"no port is to be seen", "!pool"}},
	{NULL, PROGRAM("command=/usr/sbin/nginx -g x"), {"lbd takes the place of nginx", "!pool"}},
	{NULL,
	 PROGRAM("command=a --port=%(nonsense)s"),
	 {"that supervisor does not know", "!pool"}},
	{NULL,
	 "[eventlistener:e]\ncommand=x\n[program:p]\ncommand=a --port=1\n",
	 {"no events to listeners", "pool p {"}},
	{NULL,
	 "[supervisord]\numask=027\ndirectory=/\nenvironment=A=b\n" PROGRAM("command=a -p 81"),
	 {"umask 027;", "directory /;", "environment A=b;"}},
	/* a line longer than inih takes, and one that goes on */
	{NULL,
	 PROGRAM("command=a --port=8000 "
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx "
		 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy "
		 "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz "
		 "the end\nenvironment=A=b,\n  C=d"),
	 {"yyyy zzzz", "zzzz the end\";", "environment A=b C=d;"}},
	/* together */
	{UP("server 127.0.0.1:8001; server 127.0.0.1:8000;"),
	 PROGRAM("command=a --port=800%(process_num)d\nnumprocs=2\nprocess_name=%(process_num)d"),
	 {"pool u {\n", "ports 8000-8001;", "!backend ", "!pool p", "service u {"}},
	{UP("server 127.0.0.1:8000 weight=3; server 10.0.0.1:80 weight=3;"),
	 PROGRAM("command=a --port=8000"),
	 {"weight 3;\n", "backend 10.0.0.1:80 weight 3 max_connections 0;", "ports 8000;",
	  "!pool p"}},
	{UP("server 127.0.0.1:8000 weight=3; server 127.0.0.1:8001;"),
	 PROGRAM("command=a --port=800%(process_num)d\nnumprocs=2\nprocess_name=%(process_num)d"),
	 {"have the same weight and max_connections"}},
	{UP("server 127.0.0.1:8000; server 127.0.0.1:9000;"),
	 PROGRAM("command=a --port=8000") "[program:q]\ncommand=b --port=9000\n",
	 {"a pool has one program", "pool q {\n", "ports 9000;"}},
	{UP("server 127.0.0.1:8000;"),
	 "[program:u]\ncommand=a --port=7000\n",
	 {"backend 127.0.0.1:8000;", "pool u_2 {"}},
};

static void what_is_there_is_carried_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error error = {""};
		int code;
		char *text = import(rows[i].nginx, rows[i].supervisor, &code, &error);

		if (code)
			fail_msg("row %zu: %s\n%s", i, error.text, text);
		for (size_t k = 0; k < NEEDLES && rows[i].needles[k]; k++) {
			const char *needle = rows[i].needles[k];
			bool absent = *needle == '!';

			if (!strstr(text, needle + absent) != absent)
				fail_msg("row %zu: %s\n%s", i, needle, text);
		}
		free(text);
	}
}

/* Files, the code, whether anything is printed, and what the message must hold. */
static const struct {
	const char *nginx, *supervisor;
	bool printed;
	const char *message;
} bad[] = {
	{"", NULL, false, "is neither nginx.conf"},
	{"some words\nof text;\n", NULL, false, "is neither nginx.conf"},
	{"http {\n", NULL, false, "nginx.conf:1:1: found the end of the file inside \"http\""},
	{"[paths]\na=b\n", NULL, false, "none of supervisord.conf"},
	{NULL, "[program:x]\nnonsense\n", false, "no name = value"},
	{NULL, PROGRAM("command=a --port=1\nuser=nobody-of-this-name"), true,
	 "nobody-of-this-name"},
	{NULL, PROGRAM("command=a --port=1\nstopsignal=FOO"), true, "stop_signal: found \"FOO\""},
};

static void what_cannot_be_is_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct error error = {""};
		int code;
		char *text = import(bad[i].nginx, bad[i].supervisor, &code, &error);

		assert_int_equal(code, -EINVAL);
		assert_int_equal(*text != '\0', bad[i].printed);
		if (!strstr(error.text, bad[i].message))
			fail_msg("row %zu: %s", i, error.text);
		free(text);
	}
}

static void a_missing_file_is_said(void **state)
{
	char *files[] = {"/nonexistent/nginx.conf"};
	struct error error = {""};

	(void)state;
	assert_int_equal(import_files(1, files, stdout, &error), -ENOENT);
	assert_string_equal(error.text, "/nonexistent/nginx.conf: No such file or directory");
}

static void includes_are_followed(void **state)
{
	char path[96];
	struct error error = {""};
	char *text;
	int code;

	(void)state;
	snprintf(path, sizeof(path), "%s/more.conf", directory);
	write_file(path, "[program:q]\ncommand=b --port=9000\n");
	text = import(NULL, "[include]\nfiles = %(here)s/mor*.conf none/*.conf\n", &code, &error);
	assert_int_equal(code, 0);
	assert_non_null(strstr(text, "pool q {"));
	assert_non_null(strstr(text, "include none/*.conf: no file is at "));
	assert_null(strstr(text, "include %(here)s"));
	free(text);
	write_file(path, "upstream u { server 10.0.0.1:1; }");
	text = import("http { include mime.types; include mor*.conf; include none.conf; }", NULL,
		      &code, &error);
	assert_int_equal(code, 0);
	assert_non_null(strstr(text, "backend 10.0.0.1:1;"));
	assert_non_null(strstr(text, "include mime.types: nothing in it concerns lbd"));
	assert_non_null(strstr(text, "include none.conf: DIR/none.conf: No such file"));
	free(text);
	unlink(path);
}

/* Texts of the processes of a program; the first port, and what becomes of the text (NULL: no port). */
static const struct {
	const char *texts[3];
	unsigned first;
	const char *text;
} ports[] = {
	{{"a --port=8081", "a --port=8082", "a --port=8083"}, 8081, "a --port=$port"},
	{{"a 8081x8081", "a 8082x8082"}, 0, NULL},
	{{"a 8081 -n 1", "a 8082 -n 2"}, 8081, "a $port -n $index"},
	{{"a 8081 b", "a 8083 b"}, 0, NULL},
	{{"a 8081 b", "a 8082 c"}, 0, NULL},
	{{"a 1 b", "a 2 b"}, 0, NULL},
	{{"a --port=65535", "a --port=65536"}, 0, NULL},
	{{"python3.9 a.py"}, 0, NULL},
	{{"a --timeout 3000 -b :8000"}, 8000, "a --timeout 3000 -b :$port"},
	{{"a --http-port 8000 x"}, 8000, "a --http-port $port x"},
	{{"a --timeout=3000"}, 0, NULL},
	{{"a --timeout 3000"}, 0, NULL},
	{{"a 3000"}, 3000, "a $port"},
	{{"a --workers 4"}, 0, NULL},
};

static void ports_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		struct import_port port;
		size_t count = 0;
		bool found;

		while (count < 3 && ports[i].texts[count])
			count++;
		found = import_port_find((char *const *)ports[i].texts, count, 1000, &port);
		if (found != (ports[i].text != NULL))
			fail_msg("%s", ports[i].texts[0]);
		if (!found)
			continue;
		assert_int_equal(port.first, ports[i].first);
		assert_string_equal(port.text, ports[i].text);
	}
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(nginx_path, sizeof(nginx_path), "%s/nginx.conf", directory);
	snprintf(supervisor_path, sizeof(supervisor_path), "%s/supervisord.conf", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(nginx_path);
	unlink(supervisor_path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_carried_over),
		cmocka_unit_test(what_cannot_be_is_said),
		cmocka_unit_test(a_missing_file_is_said),
		cmocka_unit_test(includes_are_followed),
		cmocka_unit_test(ports_are_found),
	};

	return cmocka_run_group_tests_name("import", tests, make_directory, remove_directory);
}
