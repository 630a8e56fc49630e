/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *expand_name(const char *text, const struct launch_name *name)
{
	return conf_expand(text, name->pool, name->port, name->index);
}

/* Splits first, so that a value with blanks stays one word. */
static int expand_words(const char *command, const struct launch_name *name, char ***words,
			struct error *error)
{
	int err = conf_split(command, words, error);

	if (err)
		return err;
	if (!(*words)[0])
		return error_set(error, -EINVAL, "command is empty; name a program");
	for (char **word = *words; *word; word++) {
		char *text = expand_name(*word, name);

		if (!text)
			return error_set(error, -ENOMEM, "command %s: out of memory", **words);
		free(*word);
		*word = text;
	}
	return 0;
}

/* They may be the worker's user's: none of this is for a program of another user. */
static int read_files(const struct conf_worker *conf, const struct launch_name *name,
		      struct environment *files, struct error *error)
{
	uid_t user;
	int err = *conf->environment_files ? account_uid(conf->user, &user, error) : 0;

	for (char **file = conf->environment_files; !err && *file; file++) {
		char *path = expand_name(*file, name);

		err = path ? environment_read(files, path, user, error)
			   : error_set(error, -ENOMEM, "environment: out of memory");
		free(path);
	}
	return err;
}

static uint64_t digest_of(const struct conf_worker *conf, const struct environment *files)
{
	return *conf->environment_files ? environment_digest(files) : 0;
}

static int read_environment(const struct conf_worker *conf, const struct launch_name *name,
			    struct launch *launch, struct error *error)
{
	struct environment files = {0}, *env = &launch->environment;
	int err = read_files(conf, name, &files, error);

	if (err) {
		environment_clear(&files);
		return err;
	}
	launch->files = digest_of(conf, &files);
	for (size_t i = 0; i < files.count && !err; i++)
		err = environment_take(env, strdup(files.vars[i]));
	for (char **var = conf->environment; !err && *var; var++)
		err = environment_take(env, expand_name(*var, name));
	environment_drop_reserved(env);
	if (!err)
		err = environment_put(env, "LBD_WORKER", name->worker);
	environment_clear(&files);
	return err ? error_set(error, err, "environment: out of memory") : 0;
}

int launch_look_at_files(const struct conf_worker *conf, const struct launch_name *name,
			 uint64_t *files, struct error *error)
{
	struct environment read = {0};
	int err = read_files(conf, name, &read, error);

	*files = digest_of(conf, &read);
	environment_clear(&read);
	return err;
}

static void copy_limits(const struct conf_worker *conf, struct spawn *spawn)
{
	spawn->nofile = conf->limits.nofile;
	spawn->core = conf->limits.core;
	spawn->nice = conf->limits.nice == CONF_NICE_UNSET ? SPAWN_UNSET_NICE : conf->limits.nice;
}

int launch_begin(const struct launch_who *who, const struct launch_name *name, const char *command,
		 struct launch *launch, struct error *error)
{
	struct environment *env = &launch->environment;
	int err;

	*launch = (struct launch){.spawn = {.out = -1,
					    .err = -1,
					    .umask = -1,
					    .nofile = UINT64_MAX,
					    .core = UINT64_MAX,
					    .nice = SPAWN_UNSET_NICE}};
	err = expand_words(command, name, &launch->spawn.argv, error);
	if (err)
		return err;
	if (who->inherit_environment ? environment_inherit(env) : environment_base(env))
		return error_set(error, -ENOMEM, "environment: out of memory");
	err = account_find(who->user, who->group, &launch->user, env, error);
	launch->spawn.user = launch->user;
	launch->spawn.envp = env->vars;
	return err;
}

/*
 * DANGER: the worker's user owns its environment files (LD_PRELOAD, PATH), and may write in its directory
 * (`./program`, what python imports), which may make that user whoever this one is.
 */
static int build_for_other(const struct conf_worker *conf, const struct launch_name *name,
			   const char *command, const char *user, struct launch *launch,
			   struct error *error)
{
	struct launch_who who = {.user = user};
	int err = launch_begin(&who, name, command, launch, error);

	if (err)
		return err;
	copy_limits(conf, &launch->spawn);
	launch->spawn.directory = launch->directory = strdup("/");
	err = environment_put(&launch->environment, "LBD_WORKER", name->worker);
	launch->spawn.envp = launch->environment.vars;
	return err || !launch->directory ? error_set(error, -ENOMEM, "out of memory") : 0;
}

int launch_build(const struct conf_worker *conf, const struct launch_name *name,
		 const char *command, const char *user, struct launch *launch, struct error *error)
{
	struct launch_who who = {conf->user, conf->group, conf->inherit_environment};
	int err;

	if (user)
		return build_for_other(conf, name, command, user, launch, error);
	err = launch_begin(&who, name, command, launch, error);
	if (!err)
		err = read_environment(conf, name, launch, error);
	if (err)
		return err;
	copy_limits(conf, &launch->spawn);
	launch->spawn.umask = conf->umask;
	launch->spawn.confinement = conf->confinement;
	if (conf->directory && !(launch->directory = expand_name(conf->directory, name)))
		return error_set(error, -ENOMEM, "directory %s: out of memory", conf->directory);
	launch->spawn.directory = launch->directory;
	launch->spawn.envp = launch->environment.vars;
	return 0;
}

/* Its words, environment, user and place are those of a launch of its own. */
int launch_add_hook(const struct conf_worker *conf, const struct launch_name *name,
		    struct launch *launch, struct error *error)
{
	struct launch hook;
	int err;

	if (!conf->before_start)
		return 0;
	err = launch_build(conf, name, conf->before_start, conf->before_start_user, &hook, error);
	launch->spawn.hook = hook.spawn.argv;
	launch->spawn.hook_envp = hook.spawn.envp;
	launch->spawn.hook_user = launch->hook_user = hook.user;
	launch->hook_environment = hook.environment;
	launch->spawn.hook_directory = launch->hook_directory = hook.directory;
	launch->spawn.hook_umask = hook.spawn.umask;
	launch->spawn.hook_unconfined = conf->before_start_user;
	launch->spawn.hook_timeout_ms = conf->start_timeout_ms;
	return err ? error_prefix(error, err, "before_start") : 0;
}

/*
 * A variable whose value the child fills in: only it knows its pid before exec.  DANGER: it writes there, so that
 * must be one that was made here, with room for it, and never one of the same name that a file brought.
 */
static int put_own_pid(struct launch *launch, const char *name, char **place)
{
	int err = environment_put(&launch->environment, name, "          ");

	*place = err ? NULL : environment_find(&launch->environment, name);
	return err;
}

int launch_add_listeners(const struct launch_name *name, struct launch *launch)
{
	struct environment *env = &launch->environment;
	unsigned count = launch->spawn.listener_count;
	char names[256], number[16];
	int err;

	if (!count)
		return 0;
	snprintf(number, sizeof(number), "%u", count);
	snprintf(names, sizeof(names), count > 1 ? "%s:%s" : "%s", name->pool, name->pool);
	err = environment_put(env, "LISTEN_FDS", number);
	if (!err)
		err = environment_put(env, "LISTEN_FDNAMES", names);
	if (!err)
		err = put_own_pid(launch, "LISTEN_PID", &launch->spawn.own_pid[0]);
	launch->spawn.envp = env->vars;
	return err;
}

int launch_add_notify(const char *socket, uint32_t watchdog_ms, struct launch *launch)
{
	struct environment *env = &launch->environment;
	char number[24];
	int err;

	err = environment_put(env, "NOTIFY_SOCKET", socket);
	if (!err && watchdog_ms) {
		snprintf(number, sizeof(number), "%llu", watchdog_ms * 1000ull);
		err = environment_put(env, "WATCHDOG_USEC", number);
		if (!err)
			err = put_own_pid(launch, "WATCHDOG_PID", &launch->spawn.own_pid[1]);
	}
	launch->spawn.envp = env->vars;
	return err;
}

void launch_clear(struct launch *launch)
{
	conf_words_free(launch->spawn.argv);
	conf_words_free(launch->spawn.hook);
	environment_clear(&launch->environment);
	environment_clear(&launch->hook_environment);
	account_clear(&launch->user);
	account_clear(&launch->hook_user);
	free(launch->directory);
	free(launch->hook_directory);
	*launch = (struct launch){0};
}
