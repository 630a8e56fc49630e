/* SPDX-License-Identifier: Apache-2.0 */
/* Media types by file name extension: a mime.types file over a built-in table of the usual ones. */
#ifndef LBSTATIC_MIME_H
#define LBSTATIC_MIME_H

#include <stddef.h>

struct mime;

/*
 * Reads a file in the form of Debian's /etc/mime.types (type, then its extensions, on a line).  With
 * path NULL only the built-in types are known.  Returns 0 or -errno; *out is to be freed.
 */
int mime_load(const char *path, struct mime **out);
void mime_free(struct mime *mime);

/*
 * The type of a path's last component, e.g. "text/css", or "application/octet-stream" when nothing
 * else is known; lives as long as mime does.
 */
const char *mime_find(const struct mime *mime, const char *path);

/* Whether a client needs to be told the characters' encoding: text and the types that are text. */
int mime_is_text(const char *type);

#endif
