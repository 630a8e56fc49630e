/* SPDX-License-Identifier: Apache-2.0 */
/* A directory as a page: directories first, then by name, with sizes and dates. */
#ifndef LBSTATIC_LISTING_H
#define LBSTATIC_LISTING_H

#include "static/site/lookup.h"

/*
 * For this client: what it may not have is not told.  title: the path asked for.  The directory stays
 * open.  *html is to be freed.  0 or -errno.
 */
int listing_make(const struct site *site, const char *title, const struct found *directory,
		 const struct address *client, char **html, size_t *len);

#endif
