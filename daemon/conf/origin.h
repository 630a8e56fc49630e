/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a configuration came from, and what each of them said: a hash of its words and comments.  One
 * that says nothing is none.  Whoever writes over a file asks first whether it still says that.
 */
#ifndef LB_ORIGIN_H
#define LB_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "block/block.h"

struct origin;

/*
 * The main file, there or not, and all that it includes, as they are on the disk now.  Where that cannot be read as
 * a whole, it equals nothing that could.  NULL: out of memory.
 */
struct origin *origin_read(const char *conf_path);
void origin_free(struct origin *origin); /* takes NULL */

/* The same files that say the same. */
bool origin_equals(const struct origin *one, const struct origin *other);

/* By number, up to the NULL behind the last, the main file first; those that say nothing any more, too. */
const char *origin_file(const struct origin *origin, size_t i);
bool origin_has(const struct origin *origin, const char *file); /* it said something */

enum origin_look {
	ORIGIN_SAME,    /* or gone from the disk: nobody's words are lost by writing it anew */
	ORIGIN_CHANGED, /* emptied as well */
	ORIGIN_NEW,     /* it was none of these, and says something */
};
enum origin_look origin_look(const struct origin *origin, const char *file);

/*
 * A save that begins: one of the files is to say this text.  That is printed as well, so that whoever comes after a
 * save that was cut off can tell what it has written from what somebody has edited.  -errno with a line.
 */
int origin_expect(struct origin *origin, const char *file, const char *text, struct error *error);

void origin_accept(struct origin *origin); /* the save has ended: all say that */
void origin_cancel(struct origin *origin); /* it has changed none of them */

/*
 * The save was cut off, if there was one: those that say what was expected have been written, the others not.  True:
 * it has written all.  *is_half is left where it has written none.
 */
bool origin_settle(struct origin *origin, bool *is_half);

void origin_forget(struct origin *origin, const char *file); /* it is not read any more */

/* As directives, and back, out of the root that has them, with conf_path the main file; NULL: out of memory. */
void origin_print(const struct origin *origin, FILE *out);
struct origin *origin_take(struct block *root, const char *conf_path);

/*
 * What a file says by itself, as block_print_file() prints it of a tree: newly allocated.  is_main: with the comment
 * at its end.  -errno with a line.
 */
int origin_text(const char *file, bool is_main, char **text, struct error *error);

#endif
