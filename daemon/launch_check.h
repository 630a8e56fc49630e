/* SPDX-License-Identifier: Apache-2.0 */
/* Are a worker's programs there?  Found as execvp(3) will: in its own PATH, from its own directory. */
#ifndef LB_LAUNCH_CHECK_H
#define LB_LAUNCH_CHECK_H

#include "conf.h"
#include "error.h"

/* The command and the hooks of a pool's workers, as the first of them would run them.  -errno with a line. */
int launch_check(const struct conf_pool *pool, struct error *error);

/* Of all pools that have workers. */
int launch_check_all(const struct conf *conf, struct error *error);

#endif
