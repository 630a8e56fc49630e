/* SPDX-License-Identifier: Apache-2.0 */
/* A text on its way to a tree, word by word; for block/parse.c alone. */
#ifndef LB_BLOCK_SCAN_H
#define LB_BLOCK_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "block/block.h"

enum { DEPTH_MAX = 16, WORD_MAX = 65536, WORDS_MAX = 4096 };

struct text {
	char *bytes;
	size_t length, room;
};

struct parser {
	const char *at, *end;
	const char *file;
	unsigned line, column;
	unsigned last_line; /* where the last directive's ; or { was: owns a comment on that line */
	struct block *last; /* that directive */
	struct text words;  /* of the directive being read, each ended by NUL */
	size_t offsets[WORDS_MAX];
	unsigned starts[WORDS_MAX]; /* as block.h has line_starts */
	size_t count;
	unsigned word_line;  /* where the last word ended */
	struct text comment; /* lines not owned yet */
	struct error *error;
};

/* Each of those that return int: 0, or a negative errno with a line in parser->error. */

/* A byte more; -ENOMEM without a line. */
int scan_add(struct text *text, char byte);
int scan_refuse(struct parser *parser, unsigned line, unsigned column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int scan_no_memory(struct parser *parser);

void scan_advance(struct parser *parser); /* past one byte */
bool scan_is_space(char byte);

/* The next word, quoted or bare, goes to parser->words. */
int scan_word(struct parser *parser);

#endif
