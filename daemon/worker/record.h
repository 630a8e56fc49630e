/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of running workers, RUNDIR/workers/NAME: what a later lbd needs to take them back.  Written
 * before the worker's program runs, replaced by rename, so that none is ever half there.
 *
 * The worker's control group, where it has one, is marked with a copy: it lasts as long as the processes do,
 * whatever becomes of the run directory.
 *
 * Lines "KEY VALUE...", the first "lbd-worker VERSION", the last its seal (seal.h).  A key that is not known is
 * passed over: what must not be passed over gets a new version.  Version 2 ended with "end", version 1 had neither
 * first nor last.
 */
#ifndef LB_RECORD_H
#define LB_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/tail.h"

struct record {
	pid_t pid;
	uint64_t start_ticks; /* /proc/PID/stat, field 22: with boot, tells reused pids apart */
	char boot[40];        /* /proc/sys/kernel/random/boot_id */
	char cgroup[512];     /* its directory, or "" */
	uint64_t listen_inodes[2]; /* of inherited listeners, v4 and v6; 0: none */
	bool ready;                /* READY=1 was seen */
	bool unheard; /* its notify socket was made anew: it may have connected to the one before */
	struct tail_mark log_mark, err_mark; /* where its own output begins */
	uint64_t settings; /* fingerprint of those that it runs with; 0: not known */
	uint64_t files;    /* of what its environment files said; 0: it has none, or not known */
	bool is_torn;      /* its file, as record_read() finds it: its group has told this */
};

/* Fills in boot, and start_ticks of record->pid.  -ESRCH. */
int record_identify(struct record *record);

/* Whether the record that is there says this. */
bool record_is_written(const char *run_dir, const char *name, const struct record *record);
int record_write(const char *run_dir, const char *name, const struct record *record);

/*
 * groups: the directory that the workers' control groups are in, or NULL.  -ENOENT: none; -EINVAL: not one
 * of ours, or torn, and the group has none either; -EPROTO: of a newer lbd; else it cannot be read now.
 */
int record_read(const char *run_dir, const char *groups, const char *name, struct record *record);
void record_remove(const char *run_dir, const char *name);
bool record_is_there(const char *run_dir, const char *name);

/* 1: the process that it names still runs; 0: it does not (a zombie); -errno: that cannot be seen now. */
int record_alive(const struct record *record);

/* Its machine has not been booted since, as far as that can be seen. */
bool record_is_of_this_boot(const struct record *record);

/* Whether its pid names another process now, or the machine has been booted since. */
bool record_reused(const struct record *record);

/* Whether there is any; true where that cannot be seen. */
bool record_any(const char *run_dir);

/* Calls each with every name that has a record; 0 or -errno. */
int record_each(const char *run_dir, void (*each)(void *arg, const char *name), void *arg);

#endif
