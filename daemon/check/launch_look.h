/* SPDX-License-Identifier: Apache-2.0 */
/* How launch.c and its neighbours look at what a worker's start needs; for nobody else. */
#ifndef LB_LAUNCH_LOOK_H
#define LB_LAUNCH_LOOK_H

#include "check/verdict.h"
#include "launch/launch.h"

/* A worker whose start is looked at. */
struct look {
	const struct conf_pool *pool;
	const char *block; /* of it, which its settings are in */
	const struct launch_warn *warn;
	struct error *error;
	bool follows; /* others of its pool, which have been looked at */
	bool broken;  /* an environment file, which may have said where to find a program */
	struct launch_name name;
	char worker[300];
};

enum wanted { PATH, DIRECTORY, REGULAR };

#define LAUNCH_HIDDEN "hidden by private_tmp, by which the worker's /tmp and /var/tmp are empty"

/* Does the worker not see this path, where others find something? */
bool launch_hides(const struct confinement *confinement, const char *path);

/* The text with its variables expanded, as this worker has them; NULL: out of memory. */
char *launch_expand(const struct look *look, const char *text);
/* -ENOMEM with a line. */
int launch_no_memory(const struct look *look);

/* As conf_written() has it. */
const struct block *launch_look_at(const struct look *look, const char *directive, size_t nth);

/* Whether the path, whose variables are expanded, is there, and what is wanted; root may look there. */
int launch_look_path(const struct look *look, const struct block *at, const char *what,
		     const char *text, enum wanted wanted);

/*
 * 0, or -errno: what the account that a program is started as may not do with the path.  0 as well where that is not
 * asked: who starts with it does not wait for that user's file systems, and who has CAP_DAC_* passes by all modes.
 */
int launch_look_as(const struct look *look, const struct account *account, const char *path,
		   int mode);

#endif
