/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of capabilities(7): bit n of a mask is capability n.  Thin over libcap-ng, which keeps one state for
 * the process: not for threads.
 */
#ifndef LB_CAPABILITIES_H
#define LB_CAPABILITIES_H

#include <stdint.h>
#include <sys/types.h>

#define CAPABILITIES_ALL UINT64_MAX

/* "CAP_NET_BIND_SERVICE", in any case, or without CAP_: its bit; 0: unknown. */
uint64_t capabilities_find(const char *name);
const char *capabilities_name(unsigned number); /* "net_bind_service"; static */

uint64_t capabilities_permitted(void); /* of this process */

/*
 * Nothing of lbd's reaches a program by inheritance: the inheritable and the ambient set are emptied.  Also
 * without privileges.  -errno.
 */
int capabilities_disinherit(void);

/* No program of this process and its children has others than these, whatever its user.  -EPERM. */
int capabilities_bound(uint64_t set);

/* Has these, and gives them to its programs, whoever its user is (ambient).  -EPERM: not permitted. */
int capabilities_take(uint64_t set);

/* Gives up all that are not in the set, for good. */
int capabilities_keep(uint64_t set);

#endif
