/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules by pattern: each is a kind, a pattern and its arguments, kept in the order given.  Of the
 * kinds that decide one thing (alias, expires, try_files, fallback, auth) the last rule whose pattern
 * matches wins.  They are made at start and only read afterwards.
 */
#ifndef LBSTATIC_RULES_H
#define LBSTATIC_RULES_H

#include "static/ground/fault.h"
#include "static/options/access.h"

enum rule_kind {
	RULE_HEADER,     /* argument: "Name: value" */
	RULE_EXPIRES,    /* seconds, -1 for off */
	RULE_ALIAS,      /* argument: directory; directory: its descriptor */
	RULE_TRY_FILES,  /* arguments: paths to try */
	RULE_FALLBACK,   /* argument: the page for what is not there */
	RULE_ERROR_PAGE, /* status; argument: the page */
	RULE_ACCESS,     /* client, allows */
	RULE_AUTH,       /* argument: password file, then the realm; users */
	RULE_KINDS,
};

struct users;

struct rule {
	struct rule *next; /* of the same kind, in the order given */
	const char *pattern;
	const char *const *argument;
	unsigned arguments;
	long seconds;
	int status;
	int directory;
	bool allows;
	struct prefix client;
	struct users *users;
};

struct rules {
	struct rule *first[RULE_KINDS], *last[RULE_KINDS];
};

/* A new rule at the end of its kind, or NULL without memory; its strings are borrowed. */
struct rule *rules_add(struct rules *rules, enum rule_kind kind, const char *pattern);
void rules_free(struct rules *rules);

/* The last rule of a kind that matches, or NULL. */
const struct rule *rules_find(const struct rules *rules, enum rule_kind kind, const char *path);
/* The same for a path that has another name: a pattern may match either.  other: NULL for none. */
const struct rule *rules_find_either(const struct rules *rules, enum rule_kind kind,
				     const char *path, const char *other);
const struct rule *rules_find_status(const struct rules *rules, int status);

/*
 * Whether a client may have this path.  The most specific matching prefix decides, a later rule among
 * equals; what no rule names is allowed, unless there is any allow for the path.  other: as above.
 */
bool rules_allow(const struct rules *rules, const char *path, const char *other,
		 const struct address *client);

#endif
