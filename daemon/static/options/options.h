/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lbstatic was asked to do: plain data, filled by directives.c at the start and only read afterwards.
 */
#ifndef LBSTATIC_OPTIONS_H
#define LBSTATIC_OPTIONS_H

#include "static/ground/fault.h"
#include "static/http/request.h"
#include "static/options/rules.h"

#include <stdint.h>

enum { LISTENS_MAX = 16, INDEXES_MAX = 8 };

enum log_format { LOG_COMMON, LOG_COMBINED, LOG_JSON };

struct limits {
	struct request_limits request;
	unsigned header_ms;      /* for a whole request head */
	unsigned idle_ms;        /* between requests */
	unsigned send_ms;        /* without the client taking a byte */
	unsigned linger_ms;      /* reading on after a refusal, so that the client sees why */
	unsigned stop_ms;        /* after SIGTERM */
	unsigned cache_valid_ms; /* a cached answer is looked at again after this */
	unsigned connections;    /* at a time; 0: by the descriptor limit */
	unsigned requests;       /* per connection; 0: no limit */
	unsigned ranges;         /* in one request, else the range is ignored */
	unsigned cache_files;    /* answers kept */
	uint64_t cache_bytes;    /* of memory for them */
	uint64_t memory_bytes;   /* a file up to this is kept in memory, larger ones open */
	uint64_t content_bytes;  /* of a request, read and thrown away; else 413 */
	uint64_t chunk_bytes;    /* sent to one client before the others get their turn */
};

struct options {
	const char *listen[LISTENS_MAX];
	unsigned listens;
	int backlog;
	const char *root;
	const char *index[INDEXES_MAX];
	unsigned indexes;
	bool listing, precompressed, symlinks, dotfiles, sandbox;
	bool help, version, test;
	const char *mime_types; /* NULL: /etc/mime.types when there is one */
	const char *charset;    /* for text types; NULL: none is said */
	const char *user, *group;
	const char *access_log; /* NULL: none; "stderr"; a file */
	enum log_format log_format;
	const char *counters; /* NULL: none; a file */
	struct limits limits;
	struct rules rules;
	char *file_text; /* the rules file, whose words the rest points into */
	void **words;    /* its lines: arrays of words, each led by a pointer to the one before */
};

void options_init(struct options *options);
void options_free(struct options *options);

#endif
