/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of several files: what the files of the room block and conf/origin know of them. */
#ifndef LB_BLOCK_TREE_H
#define LB_BLOCK_TREE_H

#include "block/block.h"

/* The directive that holds what came from another file, in the text of block_print_whole(). */
#define BLOCK_FILE_WORD "@file"

/*
 * Comment lines at the end of an included file have no directive of their own in a tree of several files: they go
 * to its last one, and are gone where there is none.  -ENOMEM.
 */
int block_keep_tail(struct block *root);

#endif
