/* SPDX-License-Identifier: Apache-2.0 */
#include "check/launch_static.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/static_words.h"

static int check_static_words(const struct look *look, char *const *argv)
{
	struct error inner;
	int err = static_words_check(argv, &inner);

	return err ? block_error(launch_look_at(look, "command", 0), look->error, err,
				 "pool %s: %.600s", look->pool->name, inner.text)
		   : 0;
}

/* What lbstatic opens at its start: its option has so many words before the path. */
struct opened {
	const char *option, *what;
	int before;
	enum wanted wanted;
	bool is_written;
};

/* It writes to what it has, and opens nothing. */
static bool is_stream(const char *path)
{
	return !strcmp(path, "off") || !strcmp(path, "stderr") || !strcmp(path, "/dev/stdout") ||
	       !strcmp(path, "/dev/stderr");
}

/* The directory of a file that is made where it is not there yet; false: there is none to look at. */
static bool directory_of(const char *path, char directory[PATH_MAX])
{
	char *last;

	snprintf(directory, PATH_MAX, "%s", path);
	last = strrchr(directory, '/');
	if (!last || last == directory)
		return false;
	*last = '\0';
	return true;
}

static int ask_user(const struct look *look, const struct opened *opened,
		    const struct account *user, const char *path, const char *directory)
{
	int err;

	if (!opened->is_written)
		return launch_look_as(look, user, path,
				      opened->wanted == DIRECTORY ? R_OK | X_OK : R_OK);
	err = launch_look_as(look, user, path, W_OK);
	return err == -ENOENT ? launch_look_as(look, user, directory, W_OK | X_OK) : err;
}

/* lbd has become the worker's user when it starts lbstatic. */
static int check_user(const struct look *look, const struct opened *opened,
		      const struct account *user, const char *path, const char *directory)
{
	const struct block *at = launch_look_at(look, "command", 0);
	int err = ask_user(look, opened, user, path, directory);

	if (!err || err == -ENOENT) /* what is not there has been told */
		return 0;
	block_error(at, look->error, err, "pool %s: %s %.200s: user %.40s: %s; let that user %s",
		    look->pool->name, opened->what, path, user->name, strerror(-err),
		    opened->is_written ? "write there, or name another place" : "read it");
	return launch_judge(path, err, look->warn, look->error);
}

static int check_opened(const struct look *look, const struct opened *opened,
			const struct account *user, const char *path)
{
	const struct block *at = launch_look_at(look, "command", 0);
	char directory[PATH_MAX] = "/", what[64];
	int err;

	if (!opened->is_written) {
		err = launch_look_path(look, at, opened->what, path, opened->wanted);
	} else {
		if (is_stream(path) || !directory_of(path, directory))
			return 0;
		snprintf(what, sizeof(what), "directory of %s", opened->what);
		err = launch_look_path(look, at, what, directory, DIRECTORY);
	}
	return err ? err : check_user(look, opened, user, path, directory);
}

static const struct opened opened[] = {
	{"--root", "root", 0, DIRECTORY, false},
	{"--alias", "alias", 1, DIRECTORY, false},
	{"--auth", "password file", 1, REGULAR, false},
	{"--mime_types", "mime_types", 0, REGULAR, false},
	{"--access_log", "access_log", 0, REGULAR, true},
	{"--counters", "counters", 0, REGULAR, true},
};

static int check_static_paths(const struct look *look, char *const *argv,
			      const struct account *user)
{
	int err = 0;

	for (; argv[1] && !err; argv++) {
		for (size_t i = 0; i < sizeof(opened) / sizeof(*opened) && !err; i++) {
			const char *path = argv[1];

			if (strcmp(*argv, opened[i].option))
				continue;
			if (opened[i].before && path)
				path = argv[2];
			if (path)
				err = check_opened(look, &opened[i], user, path);
		}
	}
	return err;
}

int launch_check_static(const struct look *look, char *const *argv, const struct account *user)
{
	int err = check_static_words(look, argv);

	return err ? err : check_static_paths(look, argv, user);
}
