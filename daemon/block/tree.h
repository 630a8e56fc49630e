/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the room block share about the tree's memory. */
#ifndef LB_BLOCK_TREE_H
#define LB_BLOCK_TREE_H

#include "block/block.h"

/* A shared file name with one user; NULL when out of memory. */
const char *block_file_new(const char *name);
void block_file_unref(const char *file); /* takes NULL */

/* It is of this file now. */
void block_set_file(struct block *block, const char *file);

/* The directive that holds what came from another file, in the text of block_print_whole(). */
#define BLOCK_FILE_WORD "@file"

/*
 * Comment lines at the end of an included file have no directive of their own in a tree of several files: they go
 * to its last one, and are gone where there is none.  -ENOMEM.
 */
int block_keep_tail(struct block *root);

/* A directive without words, one more user of file; NULL when out of memory. */
struct block *block_new(const char *file, unsigned line, unsigned column);

#endif
