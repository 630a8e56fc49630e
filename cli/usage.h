/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of a verb is its usage line, read at run time:
 *
 *   POOL ADDR:PORT   words of the caller's, with the shape that their name asks for
 *   weight N         a word, then a value
 *   wait             a flag
 *   native|generic   one of the words
 *   [...]            may be left out; neighbours in brackets come in any order, but for a value without a word
 *                    before it: that comes before those that follow it
 *   FILE...          one or more, at the end
 *
 * Pure: knows neither the verbs nor lbd.
 */
#ifndef LB_USAGE_H
#define LB_USAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { USAGE_ITEMS = 8, USAGE_NAME_BYTES = 24 };

struct usage_item {
	char word[USAGE_NAME_BYTES];   /* to be typed as it is, alternatives with `|`; or "" */
	char place[USAGE_NAME_BYTES];  /* name of the caller's value; or "" */
	char member[USAGE_NAME_BYTES]; /* of the request */
	bool optional, repeated;
	bool flag; /* the value is true, not the word */
};

struct usage {
	struct usage_item items[USAGE_ITEMS];
	size_t count;
};

struct usage_match {
	int at[USAGE_ITEMS];    /* index of the word that is the item's value, -1: left out */
	size_t reached;         /* how many words were understood */
	unsigned word_allowed;  /* bit i: item i's own word might come next */
	unsigned value_allowed; /* bit i: item i's value might come next */
};

/* text is one of ours: asserts that it is well-formed. */
void usage_parse(const char *text, struct usage *usage);

/* Whether the words are a whole sentence; *match says what was found and what might have come. */
bool usage_match(const struct usage *usage, char *const *words, size_t count,
		 struct usage_match *match);

/* Adds the members that a successful match found; 0 or -ENOMEM. */
int usage_members(const struct usage *usage, const struct usage_match *match, char *const *words,
		  size_t count, json_t *message);

/* Writes into text, for a person, what might have come after the words that were understood. */
void usage_describe(const struct usage *usage, const struct usage_match *match, char *text,
		    size_t size);

#endif
