/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/environment.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/read_file.h"

/* Each variable is compared with those before: a file's owner is not to keep lbd busy with that. */
enum { FILE_BYTES_MAX = 1 << 20, FILE_VARS_MAX = 1000 };

int environment_take(struct environment *env, char *text)
{
	size_t name = text ? strcspn(text, "=") + 1 : 0;
	char **vars;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < env->count; i++)
		if (!strncmp(env->vars[i], text, name)) {
			free(env->vars[i]);
			env->vars[i] = text;
			return 0;
		}
	vars = realloc(env->vars, (env->count + 2) * sizeof(*vars));
	if (!vars) {
		free(text);
		return -ENOMEM;
	}
	env->vars = vars;
	vars[env->count++] = text;
	vars[env->count] = NULL;
	return 0;
}

int environment_put(struct environment *env, const char *name, const char *value)
{
	char *text;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		text = NULL;
	return environment_take(env, text);
}

char *environment_find(const struct environment *env, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < env->count; i++)
		if (!strncmp(env->vars[i], name, length) && env->vars[i][length] == '=')
			return env->vars[i] + length + 1;
	return NULL;
}

int environment_base(struct environment *env)
{
	const char *lang = getenv("LANG");
	int err = environment_put(env, "PATH",
				  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

	return err ? err : environment_put(env, "LANG", lang ? lang : "C.UTF-8");
}

static void drop_variables(struct environment *env, bool (*goes)(const char *text))
{
	size_t kept = 0;

	for (size_t i = 0; i < env->count; i++)
		if (!goes(env->vars[i]))
			env->vars[kept++] = env->vars[i];
		else
			free(env->vars[i]);
	env->count = kept;
	if (env->vars)
		env->vars[kept] = NULL;
}

static bool begins_with_any(const char *text, const char *const *names)
{
	for (; *names; names++)
		if (!strncmp(text, *names, strlen(*names)))
			return true;
	return false;
}

bool environment_is_reserved(const char *text)
{
	static const char *const names[] = {"LBD_", "LISTEN_", "WATCHDOG_", "NOTIFY_SOCKET=", NULL};

	return begins_with_any(text, names);
}

void environment_drop_reserved(struct environment *env)
{
	drop_variables(env, environment_is_reserved);
}

/* Of systemd's, which means lbd. */
static bool is_for_lbd_alone(const char *text)
{
	static const char *const names[] = {"INVOCATION_ID=", "JOURNAL_STREAM=", "MAINPID=", NULL};

	return environment_is_reserved(text) || begins_with_any(text, names);
}

int environment_inherit(struct environment *env)
{
	int err = 0;

	for (char **var = environ; var && *var && !err; var++)
		if (strchr(*var, '=') && !is_for_lbd_alone(*var))
			err = environment_take(env, strdup(*var));
	return err;
}

static char *trim_line(char *text)
{
	char *end;

	text += strspn(text, " \t");
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = 0;
	return text;
}

/* -EBADMSG: the quote that it begins with does not end it. */
static int unquote(char *value)
{
	size_t length = strlen(value);

	if (*value != '"' && *value != '\'')
		return 0;
	if (length < 2 || value[length - 1] != *value)
		return -EBADMSG;
	memmove(value, value + 1, length - 2);
	value[length - 2] = 0;
	return 0;
}

static int read_line(struct environment *env, char *line, unsigned *vars)
{
	char *name = trim_line(line), *value;
	int err;

	if (!*name || *name == '#' || *name == ';')
		return 0;
	if (++*vars > FILE_VARS_MAX)
		return -E2BIG;
	if (!strncmp(name, "export ", 7))
		name = trim_line(name + 7);
	value = strchr(name, '=');
	if (!value || value == name)
		return -EINVAL;
	*value++ = 0;
	value = trim_line(value);
	name = trim_line(name);
	if (strpbrk(name, " \t\"'"))
		return -EINVAL;
	err = unquote(value);
	return err ? err : environment_put(env, name, value);
}

/* Cuts the text into lines and takes each; *number is that of the last one. */
static int read_lines(struct environment *env, char *text, unsigned *number)
{
	unsigned vars = 0;
	int err = 0;

	for (char *line = text, *next; line && !err; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		++*number;
		err = read_line(env, line, &vars);
	}
	return err;
}

int environment_read(struct environment *env, const char *path, uid_t user, struct error *error)
{
	unsigned number = 0;
	size_t length;
	char *text;
	int err = read_file("environment_file ", path, user, FILE_BYTES_MAX, &text, &length, error);

	if (err)
		return err;
	err = strlen(text) == length ? read_lines(env, text, &number) : -EILSEQ;
	free(text);
	if (err == -EINVAL)
		return error_set(error, err,
				 "%s:%u: not NAME=value; write that, or # before a comment", path,
				 number);
	if (err == -EBADMSG)
		return error_set(error, err,
				 "%s:%u: a quote begins the value and does not end it; a value is "
				 "one line, and a comment has a line of its own",
				 path, number);
	if (err == -E2BIG)
		return error_set(error, err,
				 "environment_file %s: holds more than %d variables; that many "
				 "are allowed",
				 path, FILE_VARS_MAX);
	if (err == -EILSEQ)
		return error_set(error, err, "environment_file %s: holds a NUL; it must be text",
				 path);
	return err ? error_set(error, err, "environment_file %s: %s", path, strerror(-err)) : 0;
}

uint64_t environment_digest(const struct environment *env)
{
	uint64_t digest = 0;

	for (size_t i = 0; i < env->count; i++) {
		uint64_t chain[] = {digest, hash_bytes(env->vars[i], strlen(env->vars[i]))};

		digest = hash_bytes(chain, sizeof(chain));
	}
	return digest | 1;
}

void environment_clear(struct environment *env)
{
	for (size_t i = 0; i < env->count; i++)
		free(env->vars[i]);
	free(env->vars);
	*env = (struct environment){0};
}
