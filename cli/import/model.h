/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files say, before it is put together: programs of supervisor, upstreams and servers of
 * nginx.  Its memory is kept until the import is done; running out of it ends lbctl at once.
 */
#ifndef LB_IMPORT_MODEL_H
#define LB_IMPORT_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "block/block.h"
#include "lb/abi.h"

/* A directive or entry, where it was found; `text` for the comment about it. */
struct import_place {
	const char *file;
	unsigned line;
	const char *text;
};

/* An entry of supervisord.conf. */
struct import_entry {
	struct import_place at;
	char *name, *value;
	bool used;
};

struct import_section {
	struct import_place at;
	char *name; /* "program:web" */
	struct import_entry *entries;
	size_t count;
	const char *here; /* directory of the file */
};

struct import_program {
	struct import_section *section;
	char *name;
	unsigned first_port, count;
	char *address; /* that it binds, if told; else NULL */
	/* As lbd has them: with $port, $index and $ENV{}.  NULL: not there. */
	char *command, *environment, *stdout_log, *stderr_log, *directory;
	bool counts_from_one; /* $index stands for a number that began otherwise */
	bool joined;          /* its ports are an upstream's */
};

struct import_server {
	struct import_place at;
	struct lb_endpoint endpoint;
	unsigned weight;
	uint32_t max_connections;
	bool drain, joined;
	bool is_spare; /* `backup` */
};

struct import_upstream {
	const struct block *at;
	char *name;
	struct import_server *servers;
	size_t count;
	const char *scheduler; /* NULL: nginx's round robin */
	unsigned max_fails;
	char *slow_start;
	struct block *pool; /* what becomes of it */
};

struct import {
	struct block *out; /* the lbd.conf */
	struct import_section *sections;
	size_t section_count;
	struct import_program *programs;
	size_t program_count;
	struct import_upstream *upstreams;
	size_t upstream_count;
	char **listens; /* of the services so far */
	size_t listen_count;
};

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/*
 * What these return lives until import_forget(): it is not to be freed.  import_keep() takes what malloc
 * gave; import_must() only ends lbctl when it is given NULL.
 */
void *import_must(void *pointer);
void *import_keep(void *pointer);
char *import_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Room for one more, zeroed. */
void *import_grow(void **array, size_t count, size_t size);
void import_forget(void);

struct block *import_add(struct block *parent, bool has_body, const char *const *words);
/* A comment line at the end of a block, or before it. */
void import_comment(struct block *in, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void import_comment_before(struct block *block, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "# FILE:LINE: TEXT: WHY" at the end of a block. */
void import_drop(struct block *in, const struct import_place *at, const char *why);

/* The place of a directive of nginx. */
struct import_place import_place_of(const struct block *at);
void import_drop_block(struct block *in, const struct block *at, const char *why);

/* name with what a pool may not be called replaced, and a number after it if it is taken. */
char *import_pool_name(const struct import *import, const char *name);

/* import/supervisor.c: sections of an ini file, with its includes, added to the import. */
int import_supervisor_read(struct import *import, const char *path, struct error *error);
struct import_entry *import_entry_of(const struct import_section *section, const char *name);
/* Its value, and it counts as used; or the other one. */
const char *import_value(struct import_section *section, const char *name, const char *otherwise);

/* import/daemon.c: what concerns lbd itself; and the rest of the sections, with reasons. */
void import_supervisor_emit(struct import *import);
void import_supervisor_drop(struct import *import);

/* import/program.c: [program:x] as ports and a command; dropped where there are no ports. */
void import_programs(struct import *import);
/* import/worker.c: its worker block, in the pool. */
void import_worker_emit(struct import *import, struct import_program *program, struct block *pool);

/* import/format.c: Python's % format as supervisor uses it; NULL when it holds an unknown name. */
struct import_names {
	const char *here, *program, *group;
	unsigned number, numprocs;
};
char *import_format(const char *text, const struct import_names *names);
/* A dollar is two for lbd. */
char *import_dollars(const char *text);
/* "50MB" as "50m". */
char *import_size(const char *text);

/* import/nginx.c: a file with its includes, and why a directive has no counterpart. */
int import_nginx_read(struct import *import, const char *path, struct block **root,
		      struct error *error);
const char *import_why(const char *directive);

/* import/upstream.c: `upstream` blocks, and addresses that proxy_pass names directly. */
void import_nginx_upstreams(struct import *import, const struct block *root);
/* NULL where the name is neither; what it returns moves when another is added. */
struct import_upstream *import_find_upstream(struct import *import, const char *name);

/* import/join.c: pools out of upstreams and programs. */
void import_join(struct import *import);

/* import/server.c: `server` blocks as services, and what else there is. */
void import_nginx_targets(struct import *import, const struct block *root);
void import_nginx_servers(struct import *import, const struct block *root);

/* import/location.c: what a location, or a server, is for. */
bool import_is_static(const struct block *location);
bool import_is_proxy(const struct block *location);
/* What clients get at /, else the first that is passed on; a server of `stream` is one itself.  NULL: none. */
const struct block *import_main_proxy(const struct block *server);
bool import_has_files(const struct block *server);

/* import/static.c: the part of a server that serves files; listens: NULL-ended, or NULL: another port. */
void import_static_emit(struct import *import, const struct block *server, char *const *listens);

/* import/access.c: allow and deny of nginx, where the first match decides. */
void import_access(const struct block *from, struct block *to);

#endif
