/* SPDX-License-Identifier: Apache-2.0 */
/* Pools out of upstreams and programs: those whose ports are an upstream's become its workers. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "import/model.h"

static bool is_program_port(const struct import_program *program, unsigned port)
{
	return port >= program->first_port && port < program->first_port + program->count;
}

/* Marks the servers that are processes of the program; how many. */
static unsigned mark_joined(struct import_upstream *upstream, const struct import_program *program)
{
	unsigned joined = 0;

	for (size_t i = 0; i < upstream->count; i++) {
		struct import_server *server = &upstream->servers[i];

		if (!server->joined && addr_is_loopback(&server->endpoint.addr) &&
		    is_program_port(program, ntohs(server->endpoint.port))) {
			server->joined = true;
			joined++;
		}
	}
	return joined;
}

#define NO_SPARE "lbd keeps no spare backends: "

/* A worker block has one weight and one limit: those of the first; others are said. */
static void emit_common(const struct import_upstream *upstream, struct block *pool)
{
	const struct import_server *first = NULL;

	for (size_t i = 0; i < upstream->count; i++) {
		const struct import_server *server = &upstream->servers[i];

		if (!server->joined)
			continue;
		if (!first)
			first = server;
		if (server->weight != first->weight ||
		    server->max_connections != first->max_connections)
			import_drop(pool, &server->at,
				    "workers of a pool have the same weight and max_connections");
		if (server->drain)
			import_drop(pool, &server->at,
				    server->is_spare ? NO_SPARE "drain it with `lbctl pool drain`"
						     : "drain it with `lbctl pool drain`");
	}
	if (first && first->weight != 1)
		import_add(pool, false, WORDS("weight", import_text("%u", first->weight)));
	if (first && first->max_connections)
		import_add(pool, false,
			   WORDS("max_connections", import_text("%u", first->max_connections)));
}

static void emit_backend(const struct import_server *server, bool common, struct block *pool)
{
	char text[ADDR_TEXT_BYTES];
	const char *words[8] = {"backend", addr_format_endpoint(&server->endpoint, text)};
	size_t count = 2;

	if (server->weight != 1 || common) {
		words[count++] = "weight";
		words[count++] = import_text("%u", server->weight);
	}
	if (server->max_connections || common) {
		words[count++] = "max_connections";
		words[count++] = import_text("%u", server->max_connections);
	}
	if (server->drain)
		words[count++] = "drain";
	if (server->is_spare)
		import_drop(pool, &server->at, NO_SPARE "it is drained until `lbctl pool undrain`");
	import_add(pool, false, words);
}

static void emit_settings(const struct import_upstream *upstream, struct block *pool)
{
	struct block *health;

	if (upstream->scheduler && strcmp(upstream->scheduler, "least_load") != 0)
		import_add(pool, false, WORDS("scheduler", upstream->scheduler));
	else if (!upstream->scheduler)
		import_comment_before(pool, "nginx took turns; lbd prefers the less loaded "
					    "(`scheduler round_robin;` takes turns)");
	if (upstream->slow_start)
		import_add(pool, false, WORDS("slow_start", upstream->slow_start));
	if (upstream->max_fails == 0)
		return;
	health = import_add(pool, true, WORDS("health"));
	import_comment_before(health,
			      "for max_fails: lbd checks by itself, and sees no requests fail");
	import_add(health, false, WORDS("tcp"));
	import_add(health, false, WORDS("fall", import_text("%u", upstream->max_fails)));
}

/* The program that is (part of) the upstream, with the most processes in it. */
static struct import_program *find_program(struct import *import, struct import_upstream *upstream)
{
	struct import_program *best = NULL;
	unsigned most = 0;

	for (size_t i = 0; i < import->program_count; i++) {
		struct import_program *program = &import->programs[i];
		unsigned now = program->joined ? 0 : mark_joined(upstream, program);

		for (size_t k = 0; k < upstream->count; k++)
			upstream->servers[k].joined = false;
		if (now > most) {
			most = now;
			best = program;
		}
	}
	return best;
}

/* A backend of its own that is a process of another program would be in two pools. */
static bool is_of_other_program(struct import *import, const struct import_server *server)
{
	for (size_t i = 0; i < import->program_count; i++)
		if (addr_is_loopback(&server->endpoint.addr) &&
		    is_program_port(&import->programs[i], ntohs(server->endpoint.port)))
			return true;
	return false;
}

/* Whether a pool before has it: a backend belongs to one. */
static bool is_elsewhere(struct import *import, const struct import_upstream *upstream,
			 const struct import_server *server)
{
	for (const struct import_upstream *other = import->upstreams; other < upstream; other++)
		for (size_t i = 0; i < other->count; i++)
			if (memcmp(&other->servers[i].endpoint, &server->endpoint,
				   sizeof(server->endpoint)) == 0)
				return true;
	return false;
}

static void join_upstream(struct import *import, struct import_upstream *upstream)
{
	struct import_program *program = find_program(import, upstream);
	struct block *pool = upstream->pool;

	emit_settings(upstream, pool);
	if (program) {
		mark_joined(upstream, program);
		program->joined = true;
		emit_common(upstream, pool);
	}
	for (size_t i = 0; i < upstream->count; i++) {
		const struct import_server *server = &upstream->servers[i];

		if (server->joined)
			continue;
		if (is_of_other_program(import, server))
			import_drop(pool, &server->at,
				    "a pool has one program; this port is in the pool of another");
		else if (is_elsewhere(import, upstream, server))
			import_drop(pool, &server->at, "a backend belongs to one pool; see above");
		else
			emit_backend(server, program != NULL, pool);
	}
	if (program)
		import_worker_emit(import, program, pool);
}

void import_join(struct import *import)
{
	for (size_t i = 0; i < import->upstream_count; i++)
		join_upstream(import, &import->upstreams[i]);
	for (size_t i = 0; i < import->program_count; i++) {
		struct import_program *program = &import->programs[i];
		struct block *pool;
		char *name;

		if (program->joined)
			continue;
		name = import_pool_name(import, program->name);
		pool = import_add(import->out, true, WORDS("pool", name));
		import_comment_before(pool,
				      "no upstream of nginx names its ports; to serve it, write: "
				      "service %s { listen 0.0.0.0:PORT; pool %s; }",
				      name, name);
		import_worker_emit(import, program, pool);
	}
}
