/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a decoded path to an open regular file, or to what to answer instead.  Everything is opened
 * with openat2(2) RESOLVE_BENEATH: nothing outside a root is reached, whatever links there are.
 */
#ifndef LBSTATIC_LOOKUP_H
#define LBSTATIC_LOOKUP_H

#include "static/http/target.h"
#include "static/site/site.h"

#include <sys/stat.h>

/* Content codings that have siblings, as a set, in the order of preference. */
enum { CODING_BR = 1U << 0, CODING_ZSTD = 1U << 1, CODING_GZIP = 1U << 2, CODINGS = 3 };
extern const char *const coding_names[CODINGS];

struct found {
	int status; /* 200; 301: a directory without its slash; 403, 404, 500, 503 */
	int fd;     /* of the file, or of the directory to list; else -1; the caller closes it */
	bool listing;
	bool varies;     /* some sibling is there: the answer depends on Accept-Encoding */
	unsigned coding; /* CODING_*, of what fd is; 0: as it is */
	struct stat stat;
	/* Of the file or directory found, as it would be asked for: it tells the type, and who may. */
	char path[PATH_BYTES];
};

/* Bytes of the suffix by which path may be a sibling of the file without it; 0: it is none. */
size_t lookup_suffix_bytes(const char *path);

void lookup(const struct site *site, const char *path, unsigned codings, struct found *found);

/* A page given by path (error_page): status 200 or an error. */
void lookup_page(const struct site *site, const char *path, struct found *found);

/* What a path leads to, if it could be opened; 0 or -errno. */
int lookup_stat(const struct site *site, const char *path, struct stat *stat);

#endif
