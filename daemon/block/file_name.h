/* SPDX-License-Identifier: Apache-2.0 */
/* A file's name, shared by the directives that came from it: they may be moved between trees. */
#ifndef LB_BLOCK_FILE_NAME_H
#define LB_BLOCK_FILE_NAME_H

/* A new one with one user; NULL when out of memory. */
const char *block_file_new(const char *name);
const char *block_file_ref(const char *file); /* one user more */
void block_file_unref(const char *file);      /* takes NULL */

#endif
