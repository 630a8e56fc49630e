/* SPDX-License-Identifier: Apache-2.0 */
/* nginx.conf: a file with its includes, and why a directive has no counterpart. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "import/model.h"

enum { INCLUDE_DEPTH_MAX = 8 };

/* Of files that an nginx.conf includes for what lbd does not do. */
static bool is_needless(const char *pattern)
{
	static const char *const names[] = {"mime.types", "_params", "modules-enabled", "koi-",
					    "win-utf"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strstr(pattern, names[i]))
			return true;
	return false;
}

static void include_file(struct import *import, struct block *parent, const char *directory,
			 unsigned depth);

/* Appends the file's directives to list; what cannot be read is a comment. */
static void add_file(struct import *import, const struct block *at, const char *path,
		     const char *directory, struct block *list, unsigned depth)
{
	struct block *root;
	struct error error;

	if (block_parse_file(path, &root, &error)) {
		import_drop_block(import->out, at, error.text);
		return;
	}
	include_file(import, root, directory, depth + 1);
	while (root->first) {
		struct block *child = root->first;

		root->first = child->next;
		block_adopt(list, child);
	}
	block_free(root);
}

static void add_matches(struct import *import, const struct block *at, const char *directory,
			struct block *list, unsigned depth)
{
	glob_t found = {0};
	char *pattern;

	if (at->count != 2 || depth >= INCLUDE_DEPTH_MAX || is_needless(at->words[1])) {
		import_drop_block(import->out, at, "nothing in it concerns lbd");
		return;
	}
	pattern = at->words[1][0] == '/' ? import_text("%s", at->words[1])
					 : import_text("%s%s", directory, at->words[1]);
	if (glob(pattern, GLOB_NOMAGIC, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			add_file(import, at, found.gl_pathv[i], directory, list, depth);
	globfree(&found);
}

/* nginx looks for all of them from the directory of the first file. */
static void include_file(struct import *import, struct block *parent, const char *directory,
			 unsigned depth)
{
	struct block list = {0};

	for (struct block *child = parent->first, *next; child; child = next) {
		next = child->next;
		if (strcmp(child->words[0], "include") == 0) {
			add_matches(import, child, directory, &list, depth);
			block_free(child);
		} else {
			include_file(import, child, directory, depth);
			block_adopt(&list, child);
		}
	}
	parent->first = list.first;
	parent->last = list.last;
}

static bool is_nginx(const struct block *root)
{
	static const char *const names[] = {"http",     "events",           "stream", "server",
					    "upstream", "worker_processes", "user"};

	for (const struct block *at = root->first; at; at = at->next)
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (strcmp(at->words[0], names[i]) == 0)
				return true;
	return false;
}

int import_nginx_read(struct import *import, const char *path, struct block **root,
		      struct error *error)
{
	const char *slash = strrchr(path, '/');
	int code = block_parse_file(path, root, error);

	if (code == -EINVAL)
		return error_prefix(
			error, code,
			"%s begins with no [section] as supervisord.conf does, and is no "
			"nginx.conf either",
			path);
	if (code)
		return code;
	include_file(import, *root, slash ? import_text("%.*s", (int)(slash - path + 1), path) : "",
		     0);
	if (!is_nginx(*root)) {
		block_free(*root);
		*root = NULL;
		return error_set(error, -EINVAL,
				 "%s: is neither nginx.conf (it has no http, stream, server or "
				 "upstream) nor supervisord.conf (it has no [section])",
				 path);
	}
	return 0;
}

/* Directives, ended by a space in each list, and why they are not carried over. */
static const char *const reasons[][2] = {
	{"worker_processes worker_connections worker_rlimit_nofile worker_cpu_affinity events use "
	 "multi_accept accept_mutex daemon master_process ",
	 "there is no proxy process; the kernel hands connections to the workers"},
	{"user ", "there is no proxy process; workers have a user of their own"},
	{"proxy_set_header proxy_pass_header proxy_hide_header proxy_pass_request_headers ",
	 "requests reach the worker as the client sent them, and it sees the client's address"},
	{"proxy_next_upstream proxy_next_upstream_tries proxy_next_upstream_timeout ",
	 "a worker that does not listen is never chosen, so there is nothing to try again"},
	{"proxy_read_timeout proxy_send_timeout proxy_connect_timeout send_timeout "
	 "client_body_timeout client_header_timeout keepalive_timeout proxy_timeout ",
	 "connections are the worker's own; lbd does not end them"},
	{"proxy_buffering proxy_buffers proxy_buffer_size proxy_busy_buffers_size "
	 "proxy_http_version "
	 "proxy_redirect proxy_cache proxy_cache_path proxy_cache_valid proxy_request_buffering "
	 "proxy_temp_path proxy_ignore_headers proxy_intercept_errors ",
	 "there is no proxy between client and worker"},
	{"server_name server_names_hash_bucket_size server_tokens underscores_in_headers ",
	 "names are inside of the request, which lbd does not read"},
	{"ssl_certificate ssl_certificate_key ssl_protocols ssl_ciphers ssl_session_cache "
	 "ssl_session_timeout ssl_prefer_server_ciphers ssl_dhparam ssl ",
	 "TLS passes through to the worker, which has to have the certificate"},
	{"keepalive keepalive_requests zone resolver ",
	 "connections are the clients' own; there are none between lbd and worker"},
	{"sendfile tcp_nopush tcp_nodelay types default_type types_hash_max_size etag "
	 "open_file_cache "
	 "gzip gzip_types gzip_vary gzip_proxied gzip_comp_level gzip_disable gzip_min_length ",
	 "lbstatic does what is useful of it by itself (precompressed files included)"},
	{"access_log error_log log_format rewrite_log log_not_found ",
	 "workers log their requests; lbd counts connections"},
	{"client_max_body_size client_body_buffer_size client_header_buffer_size "
	 "large_client_header_buffers ",
	 "the worker limits what it takes"},
	{"return rewrite if set map geo error_page try_files index root alias expires add_header "
	 "auth_basic auth_basic_user_file location limit_req limit_req_zone limit_conn "
	 "limit_conn_zone ",
	 "it is about requests, which lbd does not read; let the workers do it"},
	{"pid ", "see pid_file in lbd.conf(5)"},
	{"fastcgi_pass uwsgi_pass scgi_pass grpc_pass ",
	 "lbd steers connections to workers that speak HTTP themselves"},
};

const char *import_why(const char *directive)
{
	char *word = import_text("%s ", directive);
	const char *why = "nothing in lbd corresponds to it";

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		const char *found = strstr(reasons[i][0], word);

		if (found && (found == reasons[i][0] || found[-1] == ' '))
			why = reasons[i][1];
	}
	return why;
}
