/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /sys/fs/bpf/lbd/INSTANCE/{maps,links}: names in bpffs, and what is there.  The version in `meta` is written last of
 * all, so that it also says that the set is whole: version 0 is what a start that did not finish leaves behind.
 */
#ifndef LB_PINS_H
#define LB_PINS_H

#include "base/error.h"

enum { PINS_PATH_BYTES = 128 };

/*
 * Mounts bpffs if need be.  1: a whole set of our version is pinned; 0: none, but the directories are
 * there (what an unfinished start or stop left is removed).
 */
int pins_prepare(const char *instance, struct error *error);
/* The same, and nothing is made or removed. */
int pins_check(const char *instance, struct error *error);
/* All of them, and the directories; -errno: some of it is left, which is no whole set in any case. */
int pins_remove(const char *instance);
const char *pins_path(char path[PINS_PATH_BYTES], const char *instance, const char *kind,
		      const char *name);
/* Calls each with the name of every pinned link. */
int pins_each_link(const char *instance, void (*each)(void *arg, const char *name), void *arg);

#endif
