/* SPDX-License-Identifier: Apache-2.0 */
/* A process's environment under construction: names are unique, the last value wins. */
#ifndef LB_ENVIRONMENT_H
#define LB_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct environment {
	char **vars; /* "NAME=value", NULL-ended; NULL when empty */
	size_t count;
};

/*
 * What every program gets: PATH, the same however lbd was started, and lbd's LANG.  Nothing else of lbd's
 * own environment, which may hold what is meant for lbd or whoever started it.
 */
int environment_base(struct environment *env);

/* lbd's own, without what systemd meant for lbd alone (NOTIFY_SOCKET, LISTEN_FDS, ...). */
int environment_inherit(struct environment *env);

/* Takes text "NAME=value" over, also on failure; NULL is -ENOMEM, so that strdup() nests. */
int environment_take(struct environment *env, char *text);
int environment_put(struct environment *env, const char *name, const char *value);

/*
 * "NAME=value" of a name that is for lbd alone to say to its workers: LBD_*, and what sd_notify(3) and
 * sd_listen_fds(3) need.  A descriptor of another number, or a pid too short to be written over, would be believed.
 */
bool environment_is_reserved(const char *text);
void environment_drop_reserved(struct environment *env);

/* Where the value begins, or NULL. */
char *environment_find(const struct environment *env, const char *name);

/*
 * Reads lines NAME=value: '#' or ';' begin a comment line, "export" may come first, one pair of quotes
 * around the value is taken off, and one that is not closed is an error.  user is whose the file may be, see place.h;
 * at most 1 MiB and 1000 variables.  -errno with file:line.
 */
int environment_read(struct environment *env, const char *path, uid_t user, struct error *error);

/* All of it as one number, which may tell of a guess whether it is right: not for others to see.  Never 0. */
uint64_t environment_digest(const struct environment *env);

void environment_clear(struct environment *env);

#endif
