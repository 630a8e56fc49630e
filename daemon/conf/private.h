/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the room conf share, each of which builds one kind of block; for nobody else. */
#ifndef LB_CONF_PRIVATE_H
#define LB_CONF_PRIVATE_H

#include "conf/conf.h"
#include "conf/table.h"

/* conf/top.c: the directives outside of all blocks, and those of `control { }`. */
extern const struct conf_directive conf_top_table[], conf_control_table[];

/* conf/pool.c: the block `pool NAME { }`; on an error *pool holds nothing. */
int conf_pool_build(const struct block *at, struct conf_pool *pool, struct error *error);
void conf_pool_clear(struct conf_pool *pool);
extern const struct conf_directive conf_pool_table[];

/* conf/fingerprint.c: fills in worker->fingerprint; -ENOMEM. */
int conf_worker_fingerprint(struct conf_worker *worker);

/* conf/worker.c: the block `worker { }`; *ports is the directive that names them. */
int conf_worker_build(const struct block *at, struct conf_worker **worker,
		      const struct block **ports, struct error *error);
void conf_worker_free(struct conf_worker *worker);
extern const struct conf_directive conf_worker_table[];

/* conf/process.c: checks and setters of a worker's settings that the system must know. */
conf_setter conf_set_user, conf_set_group, conf_set_directory, conf_set_signal, conf_set_umask,
	conf_set_command;
/* The words "user NAME" after a command, if there are any. */
int conf_read_command_user(const struct block *at, const struct conf_directive *row, char **user,
			   struct error *error);

/* conf/output.c: FILE|syslog|journal|none [size N] [files N] [age T] [prefix] */
int conf_output_read(const struct block *at, const struct conf_directive *row,
		     struct conf_output *output, struct error *error);
#define CONF_OUTPUT_DEFAULT                                                                        \
	((struct conf_output){.kind = OUTPUT_FILE, .max_bytes = 50ULL << 20, .max_files = 10})

/* conf/health.c: the block `health { }`. */
int conf_health_build(const struct block *at, struct conf_health *health, struct error *error);
void conf_health_clear(struct conf_health *health);
extern const struct conf_directive conf_health_table[];

/* conf/service.c: the block `service NAME { }`; *pool is the name of its pool, inside at. */
int conf_service_build(const struct block *at, struct conf_service *service, const char **pool,
		       struct error *error);
void conf_service_clear(struct conf_service *service);
extern const struct conf_directive conf_service_table[];

/*
 * conf/static.c: adds the pool and the service that `static NAME { }` stands for to `to`.  taken: the places of ports
 * that those before it in the configuration were given; all false before the first.
 */
enum { CONF_STATIC_PLACES = 156 };
int conf_static_expand(const struct block *at, struct block *to, bool taken[CONF_STATIC_PLACES],
		       struct error *error);

/*
 * conf/resolve.c: refuses names that come twice, finds the pool of each service by its name in pools
 * (one for each service), and adds the service `default` to a pool of that name that has none.
 */
int conf_resolve(struct conf *conf, const char **pools, struct error *error);

/* conf/check.c: what concerns several pools and services: duplicates, collisions, limits. */
int conf_check(const struct conf *conf, struct error *error);

/* conf/expand.c: refuses variables that conf_expand() does not know. */
int conf_check_variables(const struct block *at, const char *text, struct error *error);
bool conf_has_variables(const char *text);

/* conf/name.c: conf_walk() of a block whose second word is the name of a pool or a service: a copy goes to *name. */
int conf_walk_named(const struct block *at, char **name, const char *what,
		    const struct conf_directive *table, void *target, struct error *error);

#endif
