/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may have what: the access and auth rules, held against the names of what is asked for and of what
 * is sent.  They look at names, not at inodes: a link, or the same file by an alias, is another name.
 *
 * Some paths have a second name, by which the same can be had: a directory that without its slash, a
 * precompressed sibling that of its file.  What rules say of the second name can only take away, and a
 * later rule for the path itself goes before it.
 */
#ifndef LBSTATIC_GUARD_H
#define LBSTATIC_GUARD_H

#include "static/options/options.h"

struct visitor {
	const struct address *client;
	struct slice authorization; /* the field; empty: none */
};

/* Whether who asks matters for this path. */
bool guard_concerns(const struct options *options, const char *path);

/* 0, or the status that this visitor gets for this path instead; *realm with 401. */
int guard_check(const struct options *options, const char *path, const struct visitor *visitor,
		const char **realm);

/*
 * Whether the listing of a directory tells this client of a path in it: not when the client is denied
 * it, nor when it takes a password that the directory does not.
 */
bool guard_lists(const struct options *options, const char *directory, const char *path,
		 const struct address *client);

#endif
