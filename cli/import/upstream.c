/* SPDX-License-Identifier: Apache-2.0 */
/* `upstream` blocks of nginx, and addresses that proxy_pass names directly, as pools. */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "import/model.h"

/* "127.0.0.1:8081", "localhost:8081", "10.0.0.1", "[::1]:80"; NULL, or why it is no backend. */
static const char *read_address(const char *text, struct lb_endpoint *endpoint)
{
	const char *rest = strncmp(text, "localhost", 9) == 0 ? text + 9 : NULL;
	char *plain = rest ? import_text("127.0.0.1%s", rest) : import_text("%s", text);
	char *with_port = import_text("%s:80", plain);
	struct error error;
	bool found = addr_parse_endpoint(plain, endpoint, &error) == 0 ||
		     addr_parse_endpoint(with_port, endpoint, &error) == 0;

	if (found)
		return NULL;
	return strncmp(text, "unix:", 5) == 0
		       ? "connections of the network cannot be handed to a Unix socket; let it "
			 "listen "
			 "on a port"
		       : "a backend is an address and port; write the address of that name";
}

static bool starts_with_name(const char *word, const char *name, const char **value)
{
	size_t length = strlen(name);

	*value = word + length;
	return strncmp(word, name, length) == 0;
}

static void read_parameter(struct import_upstream *upstream, struct import_server *server,
			   const char *word)
{
	const char *value;

	if (starts_with_name(word, "weight=", &value)) {
		server->weight = (unsigned)strtoul(value, NULL, 10);
	} else if (starts_with_name(word, "max_conns=", &value)) {
		server->max_connections = (uint32_t)strtoul(value, NULL, 10);
	} else if (starts_with_name(word, "max_fails=", &value)) {
		unsigned fails = (unsigned)strtoul(value, NULL, 10);

		if (fails > upstream->max_fails)
			upstream->max_fails = fails;
	} else if (starts_with_name(word, "slow_start=", &value)) {
		upstream->slow_start = import_text("%s", value);
	} else if (strcmp(word, "down") == 0) {
		server->drain = true;
	} else if (strcmp(word, "backup") == 0) {
		server->drain = server->is_spare = true;
	} else if (starts_with_name(word, "fail_timeout=", &value)) {
		import_drop(upstream->pool, &server->at,
			    "fail_timeout: see interval and rise in health { } of lbd.conf(5)");
	} else {
		char *why = import_text("%s has no counterpart in lbd", word);

		import_drop(upstream->pool, &server->at, why);
	}
}

static void read_server(struct import_upstream *upstream, const struct block *at)
{
	struct import_server server = {.at = import_place_of(at), .weight = 1};
	const char *why =
		at->count < 2 ? "it has no address" : read_address(at->words[1], &server.endpoint);

	if (why) {
		import_drop(upstream->pool, &server.at, why);
		return;
	}
	for (size_t i = 2; i < at->count; i++)
		read_parameter(upstream, &server, at->words[i]);
	if (server.weight < 1 || server.weight > 1000) {
		import_drop(upstream->pool, &server.at, "weights go from 1 to 1000");
		server.weight = server.weight < 1 ? 1 : 1000;
	}
	*(struct import_server *)import_grow((void **)&upstream->servers, upstream->count++,
					     sizeof(server)) = server;
}

/* hash KEY [consistent] */
static void read_hash(struct import_upstream *upstream, const struct block *at)
{
	const char *key = at->count > 1 ? at->words[1] : "";

	if (strcmp(key, "$remote_addr") == 0 || strcmp(key, "$binary_remote_addr") == 0) {
		upstream->scheduler = "source_hash";
		return;
	}
	upstream->scheduler = "maglev";
	import_drop_block(upstream->pool, at,
			  "lbd does not read requests; it hashes the connection (maglev)");
}

static void read_directive(struct import_upstream *upstream, const struct block *at)
{
	const char *name = at->words[0];

	if (strcmp(name, "server") == 0)
		read_server(upstream, at);
	else if (strcmp(name, "least_conn") == 0 || strcmp(name, "least_time") == 0)
		upstream->scheduler = "least_load";
	else if (strcmp(name, "ip_hash") == 0)
		upstream->scheduler = "source_hash";
	else if (strcmp(name, "random") == 0)
		upstream->scheduler = "random";
	else if (strcmp(name, "hash") == 0)
		read_hash(upstream, at);
	else
		import_drop_block(upstream->pool, at, import_why(name));
}

static struct import_upstream *add_upstream(struct import *import, const char *name,
					    const struct block *at)
{
	struct import_upstream *upstream = import_grow((void **)&import->upstreams,
						       import->upstream_count++, sizeof(*upstream));

	upstream->at = at;
	upstream->name = import_text("%s", name);
	upstream->pool =
		import_add(import->out, true, WORDS("pool", import_pool_name(import, name)));
	if (at)
		import_comment_before(upstream->pool, "%s:%u: upstream %s", at->file, at->line,
				      name);
	return upstream;
}

struct import_upstream *import_find_upstream(struct import *import, const char *name)
{
	struct import_upstream *upstream;
	struct import_server server = {.weight = 1};

	for (size_t i = 0; i < import->upstream_count; i++)
		if (strcmp(import->upstreams[i].name, name) == 0)
			return &import->upstreams[i];
	/* proxy_pass straight to an address. */
	if (read_address(name, &server.endpoint))
		return NULL;
	server.at = (struct import_place){"nginx", 0, name};
	upstream = add_upstream(import, name, NULL);
	upstream->servers = import_grow((void **)&upstream->servers, 0, sizeof(server));
	upstream->servers[upstream->count++] = server;
	return upstream;
}

void import_nginx_upstreams(struct import *import, const struct block *root)
{
	for (const struct block *at = root->first; at; at = at->next) {
		if (strcmp(at->words[0], "http") == 0 || strcmp(at->words[0], "stream") == 0) {
			import_nginx_upstreams(import, at);
		} else if (strcmp(at->words[0], "upstream") == 0 && at->count == 2) {
			struct import_upstream *upstream = add_upstream(import, at->words[1], at);

			for (const struct block *child = at->first; child; child = child->next)
				read_directive(upstream, child);
		}
	}
}
