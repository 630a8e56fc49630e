/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For remember.c: the file `states` of the run directory, a line for each backend.  Its words are those of any
 * version before this one, too; one of a later version is refused.
 */
#ifndef LB_REMEMBER_FILE_H
#define LB_REMEMBER_FILE_H

#include "remember/row.h"

/* Whole or not at all.  -errno with a line. */
int remember_file_write(const struct model *model, struct error *error);

/*
 * Into *list, all or nothing.  *written_us: when, by CLOCK_MONOTONIC; 0: it does not say; UINT64_MAX where it fails.
 * -ENOENT: no file; -EBADMSG: it is torn; -EPROTO: of a later version; -errno; all with a line.
 */
int remember_file_read(const char *run_dir, struct remembered **list, uint64_t *written_us,
		       struct error *error);
void remember_file_free(struct remembered *list);

#endif
