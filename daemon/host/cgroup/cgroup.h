/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups (v2) of the workers: one directory each, below the group that lbd itself runs in.
 * A group is named by its directory's path.  Source: kernel doc admin-guide/cgroup-v2.rst.
 */
#ifndef LB_CGROUP_H
#define LB_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "host/cgroup/below.h"
#include "host/cgroup/root.h"

/*
 * Finds where cgroup v2 is mounted (also beside v1) and makes <our group>/lbd/INSTANCE there; *dir is
 * newly allocated.  -errno with a line that says what is lost without: -ENOENT when v2 is not mounted,
 * -EROFS or -EACCES when it may not be written.
 */
int cgroup_find(const char *instance, char **dir, struct error *error);

/*
 * Makes a new group parent/NAME, or NAME~1 and so on while processes are in those before; *dir is newly allocated.
 * New matters: Linux 6.18 kills what is cloned into a group that was ever emptied by cgroup.kill.  -EBUSY: all names
 * are taken.
 */
int cgroup_make(const char *parent, const char *name, char **dir);

/* The names that it gives: the n-th, and what a name was made of, as a length. */
enum { CGROUP_NAMES = 8 };
int cgroup_nth(const char *parent, const char *name, unsigned n, char path[PATH_MAX]);
size_t cgroup_stem(const char *name);

/* A descriptor of the directory, for CLONE_INTO_CGROUP, or -errno. */
int cgroup_open(const char *dir);

int cgroup_add(const char *dir, pid_t pid);

/*
 * SIGKILL to all that are in it and below, also to what forks meanwhile.  Danger: cgroup.kill alone skips, for ever, a
 * process whose first thread has ended while others live (seen on Linux 6.18).  A part at a time, where they are very
 * many; and one that is being forked may be missed: who needs them gone calls it again while it is populated.
 */
int cgroup_kill(const char *dir);

/* Whether a process, not counting zombies, is in it or below; false where it does not exist. */
bool cgroup_populated(const char *dir);

/* A descriptor that signals EPOLLPRI when cgroup_populated() may have changed, or -errno. */
int cgroup_watch(const char *dir);

/*
 * Kills until no process is in it, at most so long; 0 or -ETIMEDOUT.  Danger: their users may hold them.  So only
 * before the event loop runs (worker_take_back(), worker_sweep()) or after it has ended (instance_remove());
 * else see cgroup_end().
 */
int cgroup_kill_all(const char *dir, int timeout_ms);

/* Whether the process is in it or below. */
bool cgroup_holds(const char *dir, pid_t pid);

/* The kernel's number for it, which is never given out again; 0 where it does not exist. */
uint64_t cgroup_id(const char *dir);

/* Bytes charged to it; 0 where the memory controller is not enabled. */
uint64_t cgroup_memory(const char *dir);

/*
 * A text that stays with the directory (an extended attribute, user.lbd.worker): its owner alone writes it, all
 * may read it.  -ENOENT, -ENODATA: none is there.
 */
int cgroup_mark(const char *dir, const char *text);
int cgroup_read_mark(const char *dir, char *text, size_t room);
void cgroup_unmark(const char *dir);

/* Ends all that is in dir/name, and removes it; it waits, as cgroup_kill_all().  -EBUSY: some process stays. */
int cgroup_clear(const char *dir, const char *name, int timeout_ms);

/* Removes it and the groups that were made in it; -EBUSY while processes are in one of them. */
int cgroup_remove(const char *dir);

#endif
