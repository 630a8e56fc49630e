/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that holds the process number of lbd.  Others rely on theirs: one that names another program that runs
 * is never written over, nor is a file that holds anything else, and only our own is removed.
 */
#ifndef LB_PID_FILE_H
#define LB_PID_FILE_H

#include <sys/types.h>

#include "base/error.h"

/*
 * May it be written?  Only root can put anything there, and no other program that runs has it.  -errno with a line.
 * own: the lbd that is to have it, which is not always who asks; 0: none runs.
 */
int pid_file_check(const char *path, pid_t own, struct error *error);

/* The first half of that. */
int pid_file_check_place(const char *path, struct error *error);

/*
 * The second: nothing but a process number, as lbd writes it, is written over, and none of another program that runs
 * (-EEXIST).
 */
int pid_file_check_content(const char *path, pid_t own, struct error *error);

int pid_file_write(const char *path, struct error *error);

/*
 * Where it holds our number.  kept: the one that is to stay, which may be the same file by another path; NULL: none.
 * A failure is told in the log.
 */
void pid_file_remove(const char *path, const char *kept);

#endif
