/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control group for one run of an exec check: <groups>/lbd.checks/N, so that what the check leaves behind ends
 * with it, and none of it is taken for the worker's.  What an lbd that was killed has left there is ended by the
 * next one, see worker_sweep().
 */
#ifndef LB_CHECK_GROUP_H
#define LB_CHECK_GROUP_H

#include <systemd/sd-event.h>

/* groups: the instance's; NULL, or where none can be made: NULL, and its session is all there is to go by. */
char *check_group_make(const char *groups);

/* Kills what is in it and frees dir; the group is removed once it is empty, which is not waited for. */
void check_group_end(sd_event *event, char *dir);

#endif
