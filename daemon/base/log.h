/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbd's own log: one line an event, to standard error (with the <N> priorities that journald reads
 * when it is the journal) until log_open() names a file.
 */
#ifndef LB_LOG_H
#define LB_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

void log_set_level(enum log_level level);

/*
 * From now on to this file, each line with time and level; rotated beyond max_bytes (0: never) with
 * max_files old ones kept.  NULL: standard error again.  On failure the log stays where it was.
 */
int log_open(const char *path, uint64_t max_bytes, unsigned max_files, struct error *error);

/*
 * Lines wait until it is known where the log goes: log_open() releases them to there, log_release() to where it is
 * now.  Not to be left so: a line that waits is lost with the process.
 */
void log_hold(void);
void log_release(void);

/* Somebody may look at standard error: the last line there says which file the log goes to. */
void log_say_where(void);

/*
 * Until NULL is told: the texts of warnings and errors go there, too, a line each: to whoever asked for what is done.
 */
void log_also(FILE *out);

/* Opens the file's name anew, after somebody else moved it away.  Nothing without a file. */
int log_reopen(struct error *error);

bool log_is_file(void); /* or is it standard error */

/* Standard error becomes the log's file: for a program that is executed in place and has not opened it yet. */
void log_to_stderr(void);

/*
 * Whether standard error is a file or the journal: not a terminal or a pipe, whose reader would wait for the end of
 * all that have it.
 */
bool log_is_lasting(void);

/* The descriptor of the log where it lasts so; else -1. */
int log_lasting_fd(void);

/* moved() is told when the log has another one, as after a rotation; it logs nothing.  NULL: nobody is. */
void log_on_move(void (*moved)(void *arg), void *arg);

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
