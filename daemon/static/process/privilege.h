/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up what is not needed once all is open: the user, then the sandbox. */
#ifndef LBSTATIC_PRIVILEGE_H
#define LBSTATIC_PRIVILEGE_H

#include "static/site/site.h"

/*
 * Becomes options->user, forbids new privileges, and shuts the process into its directories (Landlock)
 * and its system calls (seccomp).  A user that cannot be had is an error, -errno with fault; a kernel
 * without Landlock or seccomp costs one warning line each.
 */
int privilege_drop(const struct site *site, struct fault *fault);

#endif
