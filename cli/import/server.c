/* SPDX-License-Identifier: Apache-2.0 */
/* `server` blocks of nginx as services, and what else there is. */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "import/model.h"

static const struct block *child_of(const struct block *parent, const char *name)
{
	return block_find(parent, WORDS(name));
}

/* The upstream or address in http://NAME/path; new. */
static char *target_of(const struct block *proxy_pass)
{
	const char *text = proxy_pass->count > 1 ? proxy_pass->words[1] : "";
	const char *scheme = strstr(text, "://");

	text = scheme ? scheme + 3 : text;
	return import_text("%.*s", (int)strcspn(text, "/"), text);
}

/* Upstreams that are only an address in some proxy_pass. */
void import_nginx_targets(struct import *import, const struct block *root)
{
	for (const struct block *at = root->first; at; at = at->next) {
		if (strcmp(at->words[0], "proxy_pass") == 0)
			import_find_upstream(import, target_of(at));
		import_nginx_targets(import, at);
	}
}

static const char *normal_listen(const char *text)
{
	if (!text[strspn(text, "0123456789")])
		return import_text("0.0.0.0:%s", text);
	if (strncmp(text, "*:", 2) == 0)
		return import_text("0.0.0.0:%s", text + 2);
	if (strncmp(text, "localhost", 9) == 0)
		return import_text("127.0.0.1%s", text + 9);
	return text;
}

static bool has_word(const struct block *at, const char *word)
{
	for (size_t i = 2; i < at->count; i++)
		if (strcmp(at->words[i], word) == 0)
			return true;
	return false;
}

static bool is_listened_on(const struct import *import, const char *listen)
{
	for (size_t i = 0; i < import->listen_count; i++)
		if (strcmp(import->listens[i], listen) == 0)
			return true;
	return false;
}

static void add_listen(struct import *import, const struct block *at, const char *text,
		       char ***listens, size_t *count)
{
	char formatted[ADDR_TEXT_BYTES], *listen, *with_port = import_text("%s:80", text);
	struct lb_endpoint endpoint;
	struct error error;

	if (addr_parse_endpoint(text, &endpoint, &error) &&
	    addr_parse_endpoint(with_port, &endpoint, &error)) {
		import_drop_block(import->out, at, "services listen on an address and a TCP port");
		return;
	}
	listen = import_text("%s", addr_format_endpoint(&endpoint, formatted));
	if (is_listened_on(import, listen)) {
		import_drop_block(
			import->out, at,
			"a service before listens there already; lbd does not read the names "
			"of hosts in requests");
		return;
	}
	*(char **)import_grow((void **)&import->listens, import->listen_count++, sizeof(char *)) =
		listen;
	*(char **)import_grow((void **)listens, (*count)++, sizeof(char *)) = listen;
}

/* NULL-ended; what else a `listen` says is about nginx's own socket. */
static char **listens_of(struct import *import, const struct block *server)
{
	char **listens = NULL;
	size_t count = 0;
	bool any = false;

	for (const struct block *at = server->first; at; at = at->next) {
		if (strcmp(at->words[0], "listen") != 0 || at->count < 2)
			continue;
		any = true;
		if (has_word(at, "udp")) {
			import_drop_block(import->out, at, "services are TCP");
			continue;
		}
		if (has_word(at, "ssl") || has_word(at, "quic"))
			import_drop_block(
				import->out, at,
				"TLS passes through to the worker, which has to speak it");
		add_listen(import, at, normal_listen(at->words[1]), &listens, &count);
		if (has_word(at, "ipv6only=off") && strncmp(at->words[1], "[::]:", 5) == 0)
			add_listen(import, at, import_text("0.0.0.0:%s", at->words[1] + 5),
				   &listens, &count);
	}
	if (!any)
		add_listen(import, server, "0.0.0.0:80", &listens, &count);
	import_grow((void **)&listens, count, sizeof(char *));
	return listens;
}

/* Directives of a proxied location, each with why it is not carried over. */
static void drop_children(struct block *service, const struct block *location)
{
	static const char *const taken[] = {"proxy_pass", "allow", "deny", "location", "listen"};

	for (const struct block *at = location->first; at; at = at->next) {
		bool skip = false;

		for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
			skip |= strcmp(at->words[0], taken[i]) == 0;
		if (!skip)
			import_drop_block(service, at, import_why(at->words[0]));
	}
}

static void drop_other_locations(struct block *service, const struct block *server,
				 const struct block *proxy)
{
	for (const struct block *at = server->first; at; at = at->next)
		if (strcmp(at->words[0], "location") == 0 && at != proxy && !import_is_static(at))
			import_drop_block(
				service, at,
				"all paths go to the same pool; lbd does not read requests");
}

static char *service_name(const struct import *import, const char *pool)
{
	char *name = import_text("%s", pool);

	for (unsigned i = 2; block_find(import->out, WORDS("service", name)) ||
			     block_find(import->out, WORDS("static", name));
	     i++)
		name = import_text("%s_%u", pool, i);
	return name;
}

static void emit_proxy(struct import *import, const struct block *server, const struct block *proxy,
		       char *const *listens)
{
	const struct block *pass = child_of(proxy, "proxy_pass");
	struct import_upstream *upstream = import_find_upstream(import, target_of(pass));
	struct block *service;

	if (!upstream) {
		import_drop_block(import->out, pass,
				  "it names no upstream and no address; write a pool for it");
		return;
	}
	service = import_add(import->out, true,
			     WORDS("service", service_name(import, upstream->pool->words[1])));
	import_comment_before(service, "%s:%u: server", server->file, server->line);
	for (; *listens; listens++)
		import_add(service, false, WORDS("listen", *listens));
	import_add(service, false, WORDS("pool", upstream->pool->words[1]));
	import_access(child_of(proxy, "allow") || child_of(proxy, "deny") ? proxy : server,
		      service);
	if (proxy != server)
		drop_children(service, server);
	drop_children(service, proxy);
	drop_other_locations(service, server, proxy);
}

static void emit_server(struct import *import, const struct block *server)
{
	const struct block *proxy = import_main_proxy(server);
	char **listens = listens_of(import, server);

	if (proxy && *listens)
		emit_proxy(import, server, proxy, listens);
	if (import_has_files(server) && *listens)
		import_static_emit(import, server, proxy ? NULL : listens);
	else if (!proxy || !*listens)
		import_drop_block(import->out, server,
				  *listens ? "it passes nothing on and serves no files"
					   : "nothing is left that it could listen on");
}

void import_nginx_servers(struct import *import, const struct block *root)
{
	for (const struct block *at = root->first; at; at = at->next) {
		const char *name = at->words[0];

		if (strcmp(name, "http") == 0 || strcmp(name, "stream") == 0) {
			import_nginx_servers(import, at);
		} else if (strcmp(name, "server") == 0 && at->has_body) {
			emit_server(import, at);
		} else if (strcmp(name, "events") == 0) {
			for (const struct block *child = at->first; child; child = child->next)
				import_drop_block(import->out, child, import_why(child->words[0]));
		} else if (strcmp(name, "upstream") != 0) {
			import_drop_block(import->out, at, import_why(name));
		}
	}
}
