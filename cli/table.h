/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that line up, also with wide and combining characters, from the objects of a reply. */
#ifndef LB_TABLE_H
#define LB_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,   /* aligned right */
	COLUMN_STATE,    /* coloured by its meaning */
	COLUMN_DURATION, /* of seconds */
	COLUMN_BYTES,
};

struct column {
	const char *title, *key; /* key: member of the row's object; lists are joined */
	enum column_kind kind;
	bool optional; /* left out when no row has it */
};

struct table;

struct table *table_new(const struct column *columns, size_t count); /* NULL: no memory */
void table_free(struct table *table);                                /* takes NULL */
void table_add(struct table *table, const json_t *object);
void table_add_heading(struct table *table, const char *text); /* over the rows that follow */
void table_print(const struct table *table, FILE *out, bool colour);

/* As cells show it; new strings. */
char *table_duration(double seconds);
char *table_text(const json_t *value); /* what a terminal would obey becomes `?` */

const char *table_state_colour(const char *state); /* escape sequence; "" for none */

#endif
