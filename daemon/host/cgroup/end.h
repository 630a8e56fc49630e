/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a control group: what is in it is killed, again while there is any, and it is removed when it is
 * empty.  Danger: that may be never, for a process may be held in it (ptrace(2), a file system that does not answer):
 * it is not waited for, and nothing may begin in it any more, see cgroup_make().
 */
#ifndef LB_CGROUP_END_H
#define LB_CGROUP_END_H

#include <systemd/sd-event.h>

/*
 * Takes dir.  levels: 1, or 2 where the directory above goes with the last one in it.  gone (or NULL) is called
 * once, perhaps at once: when the group is removed, or event ends and what is left is the next lbd's.
 */
void cgroup_end(sd_event *event, char *dir, unsigned levels, void (*gone)(void *arg), void *arg);

#endif
