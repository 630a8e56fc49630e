/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration is one tree that came from several files: which of them says what.  Each directive knows
 * its file; an `include` stays in the tree beside what it brought in (block.is_include).
 */
#ifndef LB_BLOCK_FILES_H
#define LB_BLOCK_FILES_H

#include "block/block.h"

/* Prints what stands in this file, its `include`s as they were written; file: a directive's own, by its address. */
void block_print_file(const struct block *root, const char *file, FILE *out);

/* The same as a text, newly allocated; file NULL: of all files, as one.  NULL: out of memory. */
char *block_text(const struct block *root, const char *file);

/* Prints all of it, so that block_restore() knows again what came from where. */
void block_print_whole(const struct block *root, FILE *out);

/*
 * Of a tree that was parsed from such text: file is the name that the root gets.  Directives know their
 * file again, but not their line.  -ENOMEM.
 */
int block_restore(struct block *root, const char *file);

/* The names of all files but the root's own, NULL-ended, each once; the names are the tree's.  NULL: out
 * of memory. */
const char **block_list_files(const struct block *root);

/*
 * The same, but a file that is included in several blocks is there once for each: those are different addresses,
 * and verbs may have changed what came of one and not of another.
 */
const char **block_list_inclusions(const struct block *root);

#endif
