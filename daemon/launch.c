/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *expand(const char *text, const struct launch_name *name)
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
		char *text = expand(*word, name);

		if (!text)
			return error_set(error, -ENOMEM, "command %s: out of memory", **words);
		free(*word);
		*word = text;
	}
	return 0;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == 0;
}

static int find_passwd(const char *user, struct passwd **entry, struct error *error)
{
	errno = 0;
	*entry = getpwnam(user);
	if (!*entry && is_number(user))
		*entry = getpwuid(atoi(user));
	if (!*entry)
		return error_set(error, -EINVAL,
				 "user %s: unknown; add it (adduser --system %s) or name another",
				 user, user);
	return 0;
}

static int find_group(const char *group, gid_t *gid, struct error *error)
{
	struct group *entry = getgrnam(group);

	if (!entry && is_number(group))
		entry = getgrgid(atoi(group));
	if (!entry)
		return error_set(error, -EINVAL,
				 "group %s: unknown; add it (addgroup --system %s) or name another",
				 group, group);
	*gid = entry->gr_gid;
	return 0;
}

static int list_groups(const char *user, struct launch *launch)
{
	int count = 0;

	getgrouplist(user, launch->spawn.gid, NULL, &count);
	launch->groups = calloc(count ? count : 1, sizeof(gid_t));
	if (!launch->groups)
		return -ENOMEM;
	if (getgrouplist(user, launch->spawn.gid, launch->groups, &count) < 0)
		return -EAGAIN;
	launch->spawn.groups = launch->groups;
	launch->spawn.group_count = count;
	return 0;
}

/* As login(1) has them; `environment` may still say otherwise. */
static int put_home(const struct passwd *entry, struct environment *env)
{
	int err = environment_put(env, "HOME", entry->pw_dir);

	if (!err)
		err = environment_put(env, "USER", entry->pw_name);
	if (!err)
		err = environment_put(env, "LOGNAME", entry->pw_name);
	return err;
}

int launch_find_user(const char *user, const char *group, struct launch *launch,
		     struct error *error)
{
	struct spawn *spawn = &launch->spawn;
	struct passwd *entry = NULL;
	int err = 0;

	spawn->uid = geteuid();
	spawn->gid = getegid();
	spawn->user = user ? user : group;
	spawn->set_user = user || group;
	if (user && (err = find_passwd(user, &entry, error)))
		return err;
	if (entry) {
		spawn->uid = entry->pw_uid;
		spawn->gid = entry->pw_gid;
	}
	if (group && (err = find_group(group, &spawn->gid, error)))
		return err;
	if (entry)
		err = put_home(entry, &launch->environment);
	if (!err && entry)
		err = list_groups(entry->pw_name, launch);
	if (err)
		return error_set(error, err, "user %s: %s", user, strerror(-err));
	return 0;
}

static int read_environment(const struct conf_worker *conf, const struct launch_name *name,
			    uid_t user, struct environment *env, struct error *error)
{
	int err = environment_put(env, "LBD_WORKER", name->worker);

	for (char **file = conf->environment_files; !err && *file; file++) {
		char *path = expand(*file, name);

		err = path ? environment_read(env, path, user, error) : -ENOMEM;
		free(path);
		if (err && err != -ENOMEM)
			return err;
	}
	for (char **var = conf->environment; !err && *var; var++)
		err = environment_take(env, expand(*var, name));
	if (err)
		return error_set(error, err, "environment: out of memory");
	return 0;
}

static void copy_settings(const struct conf_worker *conf, struct spawn *spawn)
{
	spawn->umask = conf->umask;
	spawn->nofile = conf->limits.nofile;
	spawn->core = conf->limits.core;
	spawn->nice = conf->limits.nice == CONF_NICE_UNSET ? SPAWN_UNSET_NICE : conf->limits.nice;
}

int launch_build(const struct conf_worker *conf, const struct launch_name *name,
		 const char *command, struct launch *launch, struct error *error)
{
	int err;

	*launch = (struct launch){.spawn = {.out = -1, .err = -1}};
	copy_settings(conf, &launch->spawn);
	err = expand_words(command, name, &launch->spawn.argv, error);
	if (err)
		return err;
	if (environment_inherit(&launch->environment))
		return error_set(error, -ENOMEM, "environment: out of memory");
	err = launch_find_user(conf->user, conf->group, launch, error);
	if (!err)
		err = read_environment(conf, name, launch->spawn.uid, &launch->environment, error);
	if (err)
		return err;
	if (conf->directory && !(launch->directory = expand(conf->directory, name)))
		return error_set(error, -ENOMEM, "directory %s: out of memory", conf->directory);
	launch->spawn.directory = launch->directory;
	launch->spawn.envp = launch->environment.vars;
	return 0;
}

int launch_add_hook(const struct conf_worker *conf, const struct launch_name *name,
		    struct launch *launch, struct error *error)
{
	int err;

	if (!conf->before_start)
		return 0;
	err = expand_words(conf->before_start, name, &launch->spawn.hook, error);
	if (err)
		return error_prefix(error, err, "before_start");
	launch->spawn.hook_timeout_ms = conf->start_timeout_ms;
	return 0;
}

/* A variable whose value the child fills in: only it knows its pid before exec. */
static int put_own_pid(struct environment *env, const char *name)
{
	return environment_put(env, name, "          ");
}

static void finish(struct launch *launch)
{
	launch->spawn.envp = launch->environment.vars;
	launch->spawn.own_pid[0] = environment_find(&launch->environment, "LISTEN_PID");
	launch->spawn.own_pid[1] = environment_find(&launch->environment, "WATCHDOG_PID");
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
		err = put_own_pid(env, "LISTEN_PID");
	finish(launch);
	return err;
}

int launch_add_notify(const char *socket, uint32_t watchdog_ms, struct launch *launch)
{
	struct environment *env = &launch->environment;
	int err = environment_put(env, "NOTIFY_SOCKET", socket);
	char number[24];

	if (!err && watchdog_ms) {
		snprintf(number, sizeof(number), "%llu", watchdog_ms * 1000ull);
		err = environment_put(env, "WATCHDOG_USEC", number);
		if (!err)
			err = put_own_pid(env, "WATCHDOG_PID");
	}
	finish(launch);
	return err;
}

void launch_clear(struct launch *launch)
{
	conf_words_free(launch->spawn.argv);
	conf_words_free(launch->spawn.hook);
	environment_clear(&launch->environment);
	free(launch->directory);
	free(launch->groups);
	*launch = (struct launch){0};
}
