/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block syntax, as nginx has it, and nothing of what the words mean:
 *
 *     directive = word { word } ( ";" | "{" { directive } "}" )
 *     word      = bare | "quoted" | 'quoted'        # comment to the end of the line
 *
 * Within quotes \" \' \\ \n \t stand for the character; a bare word ends at white space ; { } and may
 * not hold a quote inside.  The same parser reads lbd.conf and nginx.conf.  Pure: reads no file.
 *
 * A configuration is kept as this tree: control verbs change a clone of it, and `lbctl save` prints it.
 */
#ifndef LB_BLOCK_H
#define LB_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/error.h"

struct block {
	struct block *next;  /* the directive after this one */
	struct block *first; /* of the directives inside { } */
	struct block *last;
	char **words; /* NULL-ended; words[0] is the name; changed by block_set_words() only */
	size_t count; /* of words */
	/* Of each word after the first that begins a line, without quotes: that line; else 0.  NULL: none does. */
	unsigned *line_starts;
	bool has_body;     /* written with { }, even if empty */
	bool is_include;   /* followed already: what it brought in comes after it */
	bool is_unmatched; /* an include whose pattern matched no file */
	char *comment; /* comment lines before it or at the end of its line, kept for save; or NULL */
	char *tail;    /* comment lines after the last directive inside { }; or NULL */
	const char *file;      /* shared by the directives of a file */
	unsigned line, column; /* 0: not from a file, but appended; column alone 0: not known */
};

/*
 * Parses text (need not end in NUL) into a new root, whose children are the directives.  name is
 * what messages call the file.  -EINVAL with "file:line:column: what was found, what is allowed".
 * Depth is limited to 16, a word to 64 KiB.
 */
int block_parse(const char *name, const char *text, size_t length, struct block **root,
		struct error *error);

/*
 * Reads the file (at most 16 MiB) and parses it; `include PATTERN;` directives are not followed here.
 * -errno with the path when it cannot be read.
 */
int block_parse_file(const char *path, struct block **root, struct error *error);

/*
 * Who, besides root, may change what the file says, by its owner or by that of a directory on its way; our
 * own user: nobody.  -EPERM with a line where everybody may.
 */
int block_file_changer(const char *path, uid_t *changer, struct error *error);

/*
 * Puts after each `include PATTERN;`, at any depth, the directives of the files that glob(7) finds, in
 * sorted order.  A relative pattern starts at the including file's directory.  No file is an error
 * only where the pattern has no wildcard.  Files nest up to 8 deep.  A file that somebody may change who
 * may not change the including one is refused.
 */
int block_include(struct block *root, struct error *error);

/* Each include below root, at any depth, whose pattern matched no file. */
void block_each_unmatched(const struct block *root,
			  void (*tell)(void *arg, const struct block *include), void *arg);

/* Each file that the includes below root, at any depth, match on the disk, or name. */
void block_each_included(const struct block *root, void (*tell)(void *arg, const char *path),
			 void *arg);

/* Would this `include` itself bring the file in, if it is there?  By its name: it must be. */
enum block_inclusion { BLOCK_NOT_INCLUDED, BLOCK_BY_PATTERN, BLOCK_BY_NAME };
enum block_inclusion block_includes(const struct block *include, const char *path);

/* Would one below root, at any depth? */
enum block_inclusion block_would_include(const struct block *root, const char *path);

/* A directive without words, one more user of file (file_name.h); NULL when out of memory. */
struct block *block_new(const char *file, unsigned line, unsigned column);

/* It is of this file now. */
void block_set_file(struct block *block, const char *file);

/* A copy without what follows it, and without line_starts; NULL when out of memory. */
struct block *block_clone(const struct block *block);
void block_free(struct block *block); /* with its children; takes NULL */

/* Appends a directive made of words (NULL-ended) to the parent; NULL when out of memory. */
struct block *block_append(struct block *parent, bool has_body, const char *const *words);

/* Gives the directive other words; -ENOMEM. */
int block_set_words(struct block *block, const char *const *words);

/* Puts child, in no tree yet, last among the children; takes it over. */
void block_adopt(struct block *parent, struct block *child);

/* First child whose words start with these (NULL-ended), or NULL. */
struct block *block_find(const struct block *parent, const char *const *words);

/* Unlinks and frees a child. */
void block_remove(struct block *parent, struct block *child);

/* Prints the children of root so that block_parse() reads the same tree, in one file; tabs indent. */
void block_print(const struct block *root, FILE *out);

/*
 * Fills in "file:line:column: ..." for a directive (nothing of it when it was appended); returns code.
 */
int block_error(const struct block *at, struct error *error, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
