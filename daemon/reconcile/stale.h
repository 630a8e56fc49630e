/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier lbd left that the configuration does not name any more. */
#ifndef LB_STALE_H
#define LB_STALE_H

#include "model/pool.h"

/* What writers that died in the middle left in the run directory: FILE.new, never read by anybody. */
void stale_remove_files(const char *run_dir);

/* Once, after the first configuration has been followed on adopted pins: clears maps, ends workers. */
void stale_remove(struct model *model);

#endif
