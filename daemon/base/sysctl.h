/* SPDX-License-Identifier: Apache-2.0 */
/* A number of the kernel's own settings, see sysctl(8). */
#ifndef LB_SYSCTL_H
#define LB_SYSCTL_H

#include <stdint.h>

/* That of path below /proc/sys; `otherwise` where there is none, as of a kernel without it. */
uint64_t sysctl_number(const char *path, uint64_t otherwise);

#endif
