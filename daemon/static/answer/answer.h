/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a path is answered with, ready made: the file (in memory when it is small, else open), its
 * fields, and for a plain GET the whole response.  Shared by reference count between the cache and the
 * connections that are sending it; only its date changes after it is made.
 */
#ifndef LBSTATIC_ANSWER_H
#define LBSTATIC_ANSWER_H

#include "static/http/slice.h"
#include "static/site/site.h"

#include <time.h>

struct answer {
	unsigned refs;
	int status;   /* 200, 301, 400.. */
	bool guarded; /* who asks matters: path, and served, are to be held against guard_check() */
	bool lasting; /* may be kept in the cache */
	bool replaces; /* a fallback or error page: no conditions, no ranges */
	bool coded;    /* Content-Encoding is among its fields */
	int fd;        /* of the content, or -1 when it is in memory */
	uint64_t size; /* of the content */
	struct timespec modified;
	const char *type;
	struct slice etag;   /* with its quotes; empty: none */
	struct slice common; /* lines for 200, 206, 304 */
	struct slice entity; /* lines for 200 and 206: Content-Type, Content-Encoding */
	struct slice ready;  /* the head of a plain 200, up to and with the empty line */
	const char *body;    /* follows ready; NULL when the content is in fd */
	char *path;          /* decoded */
	char *served;        /* the path of the file or directory itself; NULL: the same, or none */
	size_t bytes;        /* of memory that all of this takes */

	/* The cache's own. */
	struct answer *next_in_bucket, *newer, *older;
	uint64_t made_ms;
	uint32_t hash;
	unsigned codings;
	struct slice key;
};

/*
 * Never fails but for memory (NULL): what cannot be served becomes an answer with its error status.
 * path is decoded; key is what the cache will know it by (copied); codings are the client's.  The
 * client may have path; whether it may have served is for the caller to find out.
 */
struct answer *answer_make(const struct site *site, const char *path, struct slice key,
			   unsigned codings, const struct address *client);

/* An error's page, from error_page or built in; whoever gets the error may have it. */
struct answer *answer_error(const struct site *site, int status);

void answer_ref(struct answer *answer);
/* Takes NULL. */
void answer_unref(struct answer *answer);

/* Whether an open file is still as long, and as old, as its head says. */
bool answer_holds(const struct answer *answer);

/* Puts the date (DATE_BYTES) into the ready head. */
void answer_stamp(struct answer *answer, const char *date);

#endif
