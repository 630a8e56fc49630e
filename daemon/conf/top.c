/* SPDX-License-Identifier: Apache-2.0 */
/* The directives outside of all blocks, and the configuration that they come to. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/block.h"
#include "conf/private.h"
#include "host/instance/instance.h"

#define AT(field) .offset = offsetof(struct builder, conf.field)

struct builder {
	struct conf conf;
	const char **pools; /* names of the services' pools, as they are written */
	bool static_places[CONF_STATIC_PLACES]; /* taken */
};

static int set_top_pool(void *target, const struct conf_directive *row, const struct block *at,
			struct error *error)
{
	static const struct conf_most most = {LB_MAX_SERVICES, "pools", ""};
	struct conf *conf = &((struct builder *)target)->conf;
	size_t count = conf->pool_count;
	int code = conf_room(at, (void **)&conf->pools, count, sizeof(*conf->pools), &most, error);

	(void)row;
	if (!code)
		code = conf_pool_build(at, &conf->pools[count], error);
	conf->pool_count += !code;
	return code;
}

static int set_service(void *target, const struct conf_directive *row, const struct block *at,
		       struct error *error)
{
	static const struct conf_most most = {LB_MAX_SERVICES, "services", ""};
	struct builder *builder = target;
	struct conf *conf = &builder->conf;
	size_t count = conf->service_count;
	int code = conf_room(at, (void **)&conf->services, count, sizeof(*conf->services), &most,
			     error);

	(void)row;
	if (code)
		return code;
	if (!conf_grow((void **)&builder->pools, count, sizeof(*builder->pools)))
		return conf_no_memory(at, error);
	code = conf_service_build(at, &conf->services[count], &builder->pools[count], error);
	conf->service_count += !code;
	return code;
}

static int set_static(void *target, const struct conf_directive *row, const struct block *at,
		      struct error *error)
{
	struct builder *builder = target;
	const struct block *before = builder->conf.expanded->last, *pool;
	int code = conf_static_expand(at, builder->conf.expanded, builder->static_places, error);

	if (code)
		return code;
	pool = before ? before->next : builder->conf.expanded->first;
	code = set_top_pool(builder, row, pool, error);
	return code ? code : set_service(builder, row, pool->next, error);
}

static int set_include(void *target, const struct conf_directive *row, const struct block *at,
		       struct error *error)
{
	(void)target;
	(void)row;
	return block_error(at, error, -EINVAL, "include: is followed only in files");
}

/* As the kernel has it: dev_valid_name() in net/core/dev.c. */
static int check_interface(const struct block *at, const struct conf_directive *row,
			   struct error *error)
{
	const char *name = at->words[1];
	size_t length = strlen(name);

	if (length >= IFNAMSIZ)
		return block_error(at, error, -EINVAL,
				   "attach: found \"%.64s\", which has %zu characters; a name of "
				   "an interface has up to %d",
				   name, length, IFNAMSIZ - 1);
	if (!length || !strcmp(name, ".") || !strcmp(name, "..") || strpbrk(name, "/: \t\n\v\f\r"))
		return conf_refuse(at, row, name, error);
	return 0;
}

static int set_attach(void *target, const struct conf_directive *row, const struct block *at,
		      struct error *error)
{
	struct conf *conf = &((struct builder *)target)->conf;
	const char *mode = at->words[2];
	struct conf_attach *attach;
	int code = check_interface(at, row, error);

	if (code)
		return code;
	for (size_t i = 0; i < conf->attach_count; i++)
		if (strcmp(conf->attaches[i].interface, at->words[1]) == 0)
			return block_error(at, error, -EINVAL,
					   "attach: found %s a second time; once is allowed",
					   at->words[1]);
	attach = conf_grow((void **)&conf->attaches, conf->attach_count, sizeof(*attach));
	if (!attach)
		return conf_no_memory(at, error);
	conf->attach_count++;
	attach->at = at;
	if (mode && strcmp(mode, "native") != 0 && strcmp(mode, "generic") != 0)
		return conf_refuse(at, row, mode, error);
	if (mode)
		attach->mode = *mode == 'n' ? ATTACH_NATIVE : ATTACH_GENERIC;
	return conf_copy(at, &attach->interface, at->words[1], error);
}

static int set_log(void *target, const struct conf_directive *row, const struct block *at,
		   struct error *error)
{
	struct conf *conf = &((struct builder *)target)->conf;
	struct conf_output output = CONF_OUTPUT_DEFAULT;
	int code = conf_output_read(at, row, &output, error);

	if (!code && (output.kind != OUTPUT_FILE || output.max_age_s || output.prefix))
		code = conf_refuse(at, row, at->words[at->count - 1], error);
	if (code) {
		free(output.path);
		return code;
	}
	conf->log_file = output.path;
	conf->log_max_bytes = output.max_bytes;
	conf->log_max_files = output.max_files;
	return 0;
}

/* What was found is a secret: it is not repeated. */
static int set_hash_seed(void *target, const struct conf_directive *row, const struct block *at,
			 struct error *error)
{
	struct conf *conf = &((struct builder *)target)->conf;
	const char *text = at->words[1];
	size_t length = strlen(text), digits = strspn(text, "0123456789abcdefABCDEF");

	(void)row;
	if (digits != length || length != 2 * sizeof(conf->hash_seed))
		return block_error(
			at, error, -EINVAL,
			"hash_seed: found %zu characters, %zu of them hexadecimal digits; "
			"%zu digits are allowed, as `openssl rand -hex %zu` prints them",
			length, digits, 2 * sizeof(conf->hash_seed), sizeof(conf->hash_seed));
	for (size_t i = 0; i < sizeof(conf->hash_seed); i++)
		sscanf(text + 2 * i, "%2hhx", &conf->hash_seed[i]);
	conf->has_hash_seed = true;
	return 0;
}

const struct conf_directive conf_control_table[] = {
	{"mode", "mode OCTAL; 000..777", 1, 1, conf_set_umask, AT(control_mode)},
	{"owner", "owner USER;", 1, 1, conf_set_user, AT(control_user)},
	{"group", "group GROUP;", 1, 1, conf_set_group, AT(control_group)},
	{.name = NULL},
};

static int set_control(void *target, const struct conf_directive *row, const struct block *at,
		       struct error *error)
{
	(void)row;
	return conf_walk(at, "control", conf_control_table, target, error);
}

const struct conf_directive conf_top_table[] = {
	{"attach", "attach INTERFACE [native|generic]; a name of 1..15 characters", 1, 2,
	 set_attach, .repeat = true},
	{"log", "log FILE [size N] [files N];", 1, 5, .set = set_log},
	{"log_directory", "log_directory DIR;", 1, 1, conf_set_path, AT(log_directory)},
	{"pid_file", "pid_file FILE;", 1, 1, conf_set_path, AT(pid_file)},
	{"min_files", "min_files N;", 1, 1, conf_set_number64, AT(min_files)},
	{"min_processes", "min_processes N;", 1, 1, conf_set_number64, AT(min_processes)},
	{"hash_seed", "hash_seed HEX;", 1, 1, .set = set_hash_seed},
	{"control", "control { ... }", 0, 0, set_control, .body = true},
	{"include", "include PATTERN;", 1, 1, set_include, .repeat = true},
	{"pool", "pool NAME { ... }", 1, 1, set_top_pool, .body = true, .repeat = true},
	{"service", "service NAME { ... }", 1, 1, set_service, .body = true, .repeat = true},
	{"static", "static NAME { ... }", 1, 1, set_static, .body = true, .repeat = true},
	{.name = NULL},
};

static void clear_conf(struct conf *conf)
{
	for (size_t i = 0; i < conf->pool_count; i++)
		conf_pool_clear(&conf->pools[i]);
	for (size_t i = 0; i < conf->service_count; i++)
		conf_service_clear(&conf->services[i]);
	for (size_t i = 0; i < conf->attach_count; i++)
		free(conf->attaches[i].interface);
	free(conf->pools);
	free(conf->services);
	free(conf->attaches);
	free(conf->log_file);
	free(conf->log_directory);
	free(conf->pid_file);
	free(conf->control_user);
	free(conf->control_group);
	block_free(conf->expanded);
}

/* Where a worker's log is goes with its pool: one that leaves has it as it was. */
static void set_log_directories(struct conf *conf)
{
	for (size_t i = 0; i < conf->pool_count; i++)
		if (conf->pools[i].worker)
			conf->pools[i].worker->log_directory =
				conf->log_directory ? conf->log_directory : LB_LOG_DIR;
}

static int build_top(struct builder *builder, struct block *root, struct error *error)
{
	int code;

	builder->conf.expanded = block_new(root->file, 0, 0);
	if (!builder->conf.expanded) {
		error_set(error, -ENOMEM, "configuration: out of memory");
		return -ENOMEM;
	}
	code = conf_walk(root, "the configuration", conf_top_table, builder, error);
	set_log_directories(&builder->conf);
	if (!code)
		code = conf_resolve(&builder->conf, builder->pools, error);
	return code ? code : conf_check(&builder->conf, error);
}

int conf_build(struct block *root, struct conf **conf, struct error *error)
{
	struct builder builder = {.conf = {.holders = 1, .control_mode = -1}};
	int code = build_top(&builder, root, error);

	free(builder.pools);
	*conf = code ? NULL : malloc(sizeof(**conf));
	if (!code && !*conf) {
		error_set(error, -ENOMEM, "configuration: out of memory");
		code = -ENOMEM;
	}
	if (code) {
		clear_conf(&builder.conf);
		return code;
	}
	**conf = builder.conf;
	(*conf)->root = root;
	return 0;
}

struct conf *conf_hold(struct conf *conf)
{
	conf->holders++;
	return conf;
}

void conf_free(struct conf *conf)
{
	if (!conf || --conf->holders)
		return;
	clear_conf(conf);
	block_free(conf->root);
	free(conf);
}
