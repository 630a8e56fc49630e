/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of directives: what is allowed inside a block, and where each value goes. */
#ifndef LB_CONF_TABLE_H
#define LB_CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "block/block.h"

enum { CONF_MANY = 4096 }; /* words, without limit */

struct conf_directive {
	const char *name, *usage;
	unsigned min, max; /* words after the name */
	int (*set)(void *target, const struct conf_directive *row, const struct block *at,
		   struct error *error);
	size_t offset;        /* for the setters below: of the field in target */
	uint64_t least, most; /* numbers, sizes, durations in the field's unit */
	const char *const *choices;
	size_t note; /* of a field in target that gets the directive, a const struct block *; 0: none */
	bool body, repeat; /* wants { }; may come again */
};

/*
 * Calls the setters of table (ended by a row without name) for the directives inside parent.  -EINVAL
 * for one that is unknown (names what is allowed), comes twice, or has too few or too many words.
 */
int conf_walk(const struct block *parent, const char *what, const struct conf_directive *table,
	      void *target, struct error *error);

/*
 * The same first of all: -EINVAL where a line of the directive begins with the name of one of these tables
 * (NULL-ended), since the ; that was to end it is missing, and a list would take the rest for words of its own.  A
 * word that the usage of the directive has is an option of it.
 */
int conf_check_lines(const struct block *at, const struct conf_directive *const *tables,
		     struct error *error);

/* Checks words and body against the row. */
int conf_check_shape(const struct block *at, const struct conf_directive *row, struct error *error);
const struct conf_directive *conf_find_row(const struct conf_directive *table, const char *name);

/* "found WORD; allowed: USAGE;" */
int conf_refuse(const struct block *at, const struct conf_directive *row, const char *word,
		struct error *error);

/*
 * "found a second time" where *seen is another directive already, else that is `at` now; what: a word of it, or NULL.
 */
int conf_once(const struct block *at, const char *what, const struct block **seen,
	      struct error *error);

/* Of a line with `NAME VALUE` from its third word on, or `flag`, which has no value: each at most once. */
int conf_options_once(const struct block *at, const char *flag, struct error *error);
int conf_no_memory(const struct block *at, struct error *error);

/* ", first at FILE:LINE", or nothing where it was appended; text has CONF_PLACE_BYTES.  Returns text. */
enum { CONF_PLACE_BYTES = 256 };
const char *conf_first_at(const struct block *at, char *text);

/* Setters.  They write uint32_t unless said otherwise. */
typedef int conf_setter(void *target, const struct conf_directive *row, const struct block *at,
			struct error *error);
conf_setter conf_set_number;
conf_setter conf_set_number64; /* uint64_t */
conf_setter conf_set_ms;       /* a duration in milliseconds */
conf_setter conf_set_size64;   /* a size in bytes, uint64_t */
conf_setter conf_set_choice;   /* index in row->choices */
conf_setter conf_set_flag;     /* on or off, bool */
conf_setter conf_set_text;     /* char *, a copy of the word */
conf_setter conf_set_path;     /* the same, made absolute */

/* Sets char **to, freeing what was there. */
int conf_copy(const struct block *at, char **to, const char *text, struct error *error);

/* text, or where it is when relative to the directory of at's file; a new string. */
char *conf_path(const struct block *at, const char *text);

/* Room for one more element behind count of them; NULL when out of memory, array untouched. */
void *conf_grow(void **array, size_t count, size_t size);

/* The same for what `at` adds.  -EINVAL where there are as many as may be; -ENOMEM. */
struct conf_most {
	size_t count;
	const char *what, *where; /* "pools"; "" or ", in all services together" */
};
int conf_room(const struct block *at, void **array, size_t count, size_t size,
	      const struct conf_most *most, struct error *error);

/* Values as text; 0, or -EINVAL when it is none or larger than most. */
int conf_parse_number(const char *text, uint64_t most, uint64_t *number);
int conf_parse_ms(const char *text, uint64_t most, uint64_t *ms);
int conf_parse_size(const char *text, uint64_t most, uint64_t *bytes);
/* "8081" or "8081-8084" */
int conf_parse_range(const char *text, uint64_t most, uint64_t *first, uint64_t *last);

#endif
