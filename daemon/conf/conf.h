/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration means: a checked, typed view of the block tree.  Changes nothing; looks at files
 * that `include` names, and whether users, groups, directories and environment files are there.  Built
 * anew for every change and never edited: see block.h.
 *
 * Relative paths start at the directory of the file that they are written in.
 */
#ifndef LB_CONF_H
#define LB_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "block/block.h"
#include "host/process/confine.h"
#include "lb/abi.h"

struct conf_limits {
	uint64_t nofile, core;     /* rlimits; CONF_UNSET leaves them */
	uint64_t memory_max_bytes; /* cgroup memory.max */
	uint64_t pids_max;         /* cgroup pids.max */
	uint32_t cpu_max_percent;  /* cgroup cpu.max; 100 is one core; 0: unset */
	int nice;                  /* CONF_NICE_UNSET leaves it */
};
#define CONF_UNSET UINT64_MAX
enum { CONF_NICE_UNSET = 100, CONF_USER_BYTES = 33 };

enum conf_output_kind { OUTPUT_FILE, OUTPUT_SYSLOG, OUTPUT_JOURNAL, OUTPUT_NONE };

/* Where a stream of a worker goes.  NULL path: LOGDIR/POOL:PORT.log */
struct conf_output {
	enum conf_output_kind kind;
	char *path;         /* may hold $port, $index, $pool */
	uint64_t max_bytes; /* rotate beyond; 0: never */
	unsigned max_files; /* old files kept */
	uint64_t max_age_s; /* rotate when older; 0: never */
	bool prefix;        /* time before each line */
};

enum conf_restart { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };
enum conf_readiness { READY_LISTENER, READY_NOTIFY };

/* `worker { }` of a pool: supervised processes, one for each port. */
struct conf_worker {
	char *command; /* words by shell quoting rules, without a shell; $port ... */
	uint16_t first_port;
	unsigned count;
	struct lb_addr addr; /* what the workers listen on; 127.0.0.1 by default */
	bool inherit;        /* lbd opens the listener and passes it (LISTEN_FDS) */
	bool dual_stack;     /* inherit: also ::1 beside 127.0.0.1, :: beside 0.0.0.0 */
	unsigned backlog;    /* inherit */
	char *directory, *user, *group;
	int umask;                /* -1: inherited */
	bool inherit_environment; /* lbd's own besides */
	char **environment;       /* "NAME=value", NULL-ended, never NULL */
	char **environment_files; /* NULL-ended, never NULL */
	bool autostart;
	enum conf_restart restart;
	uint64_t exit_codes[4];    /* bit n: exit code n is expected */
	unsigned start_retries;    /* exits before ready, or too soon after, in a row until fatal */
	uint32_t start_timeout_ms; /* to become ready */
	uint32_t stable_ms;        /* up for as long: the count of failures starts anew */
	uint32_t backoff_min_ms, backoff_max_ms;
	enum conf_readiness readiness;
	uint32_t watchdog_ms; /* READY_NOTIFY: 0 none */
	int stop_signal;
	uint32_t stop_timeout_ms;
	int priority;      /* lower starts first and stops last; 999 by default */
	bool merge_stderr; /* into stdout's log; the default */
	struct conf_output stdout_log, stderr_log;
	const char *
		log_directory; /* of the configuration, where these are without a path of their own */
	struct conf_limits limits;
	struct confinement confinement;
	bool fuse;                                 /* it may open /dev/fuse, see datapath_guard() */
	char *before_start, *after_stop;           /* hooks; NULL: none */
	char *before_start_user, *after_stop_user; /* NULL: the worker's */
	uint32_t max_age_s;        /* recycled when older; 0 never; jittered by 10 % */
	uint64_t max_memory_bytes; /* recycled when larger; 0 never */
	uint64_t fingerprint;      /* of what a process has from its start; never 0 */
};

enum conf_health_kind { HEALTH_NONE, HEALTH_TCP, HEALTH_HTTP, HEALTH_EXEC };

struct conf_health {
	enum conf_health_kind kind;
	char *path, *host;               /* HTTP */
	char *command;                   /* exec */
	char *user, *group;              /* exec: of the worker, where nothing else is said */
	struct confinement confinement;  /* exec: of the worker, without its mounts */
	unsigned status_min, status_max; /* HTTP; 200..399 by default */
	uint32_t interval_ms, timeout_ms;
	unsigned rise, fall;
	bool restart; /* `on_failure restart;` */
};

enum { CONF_WEIGHT_MAX = 1000 };

struct conf_backend {
	const struct block *at;
	struct lb_endpoint endpoint;
	unsigned weight;          /* 1..CONF_WEIGHT_MAX */
	uint32_t max_connections; /* 0: no limit */
	bool drain;               /* `drain` word: kept out of service */
	const char *maker;        /* `owner USER`, a word of the tree: only its listener; or NULL */
	uid_t maker_uid;
	bool supervised; /* of the pool's worker block */
	unsigned index;  /* of the worker: 0, 1, ... */
};

/* When all checks of a pool fail. */
enum conf_all_down { ALL_DOWN_SERVE, ALL_DOWN_REFUSE };

struct conf_pool {
	const struct block *at;
	char *name;
	enum lb_scheduler scheduler;
	uint32_t drain_timeout_ms;
	uint32_t slow_start_ms;
	uint32_t all_down;             /* enum conf_all_down */
	unsigned roll_parallel;        /* at most so many at once in a roll */
	struct conf_backend *backends; /* those written and those of the worker block */
	size_t backend_count;
	struct conf_worker *worker; /* NULL: no supervised ones */
	struct conf_health health;
};

struct conf_acl {
	struct lb_addr addr;
	unsigned prefix_bits; /* of the v4-mapped form */
	bool allow;
};

struct conf_service {
	const struct block *at;
	char *name;
	struct lb_endpoint *listens;
	size_t listen_count;
	unsigned pool; /* index of conf.pools */
	struct conf_acl *acl;
	size_t acl_count;  /* `all` is not among them: it decides default_deny */
	bool default_deny; /* what no rule names is refused */
	bool implicit;     /* `default`, in no file: not to be saved */
};

struct conf_attach {
	const struct block *at;
	char *interface;
	enum { ATTACH_AUTO, ATTACH_NATIVE, ATTACH_GENERIC } mode;
};

struct conf {
	unsigned holders;       /* see conf_hold() */
	struct block *root;     /* as written; owned */
	struct block *expanded; /* what `static` and the service `default` stand for; owned */
	struct conf_pool *pools;
	size_t pool_count;
	struct conf_service *services;
	size_t service_count;
	struct conf_attach *attaches;
	size_t attach_count;
	char *log_file; /* `log FILE [size N] [files N];` lbd's own; NULL: standard error */
	uint64_t log_max_bytes;
	unsigned log_max_files;
	char *log_directory; /* `log_directory DIR;` of the workers' logs; NULL: /var/log/lbd */
	char *pid_file;
	bool has_hash_seed;
	uint8_t hash_seed[16];              /* `hash_seed HEX;` a secret: not to be shown */
	uint64_t min_files, min_processes;  /* refused to start with less; 0: not checked */
	char *control_user, *control_group; /* `control { mode owner group }`, NULL: root, lbd */
	int control_mode;                   /* -1: 0660 */
};

/*
 * Checks root and takes it over on success (on failure the caller keeps it).  Includes must have been
 * expanded.  -EINVAL with file:line:column; -ENOMEM.
 */
int conf_build(struct block *root, struct conf **conf, struct error *error);

/*
 * The same where users and groups that are unknown on this host are no mistake, since they keep from starting what runs
 * as them, and nothing else.  Of what was in force when lbd died: all.
 */
int conf_rebuild(struct block *root, struct conf **conf, struct error *error);
/* Of what is changed in what is in force: those that before names.  They may have gone since. */
int conf_build_change(struct block *root, const struct conf *before, struct conf **conf,
		      struct error *error);

/* Reads a file with its includes and builds.  A missing file is -ENOENT. */
int conf_read(const char *path, struct conf **conf, struct error *error);
/* The same, by conf_rebuild(): nothing is in force that could go on instead. */
int conf_read_to_start(const char *path, struct conf **conf, struct error *error);

/* The same of a text that messages call name; relative paths start at name's directory. */
int conf_read_text(const char *name, const char *text, size_t length, struct conf **conf,
		   struct error *error);

/*
 * A configuration is freed when the last of those that hold it has let go: it is begun with one holder,
 * and one that is not in force any more is held by the pools whose workers still end by it.
 */
struct conf *conf_hold(struct conf *conf);
void conf_free(struct conf *conf); /* lets go; takes NULL */

const struct conf_pool *conf_find_pool(const struct conf *conf, const char *name); /* or NULL */
const struct conf_service *conf_find_service(const struct conf *conf,
					     const char *name); /* or NULL */
const struct conf_attach *conf_find_attach(const struct conf *conf, const char *interface);

/* The command of `static` workers; "lbstatic" by default, main sets the path of the installed one. */
extern const char *conf_static_program;

/*
 * Where the nth word (from 0, over all directives of that name) of a setting in `worker { }` or `health { }` is
 * written; the pool where it has no line of its own.
 */
const struct block *conf_written(const struct conf_pool *pool, const char *block,
				 const char *directive, size_t nth);

/*
 * Expands $port, $index, $pool, $host_name and $ENV{NAME} (nothing when it is not set) in text; also as
 * ${port}; "$$" is a dollar; any other dollar stands for itself, but conf_build() refuses unknown names.
 * A new string, or NULL when out of memory.  pool may be NULL: then the first three stay as they are.
 */
char *conf_expand(const char *text, const char *pool, uint16_t port, unsigned index);

/* Whether $port or $index is in it: it is another text for another worker.  text may be NULL. */
bool conf_differs(const char *text);

/*
 * Splits a command into words by the shell's quoting rules, without a shell: variables are expanded in
 * each word afterwards, also in single quotes.  -EINVAL: open quote.
 */
int conf_split(const char *text, char ***words, struct error *error);
void conf_words_free(char **words);

const char *conf_scheduler_name(enum lb_scheduler scheduler);
const char *conf_all_down_name(enum conf_all_down all_down);

#endif
