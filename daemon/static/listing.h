/* SPDX-License-Identifier: Apache-2.0 */
/* A directory as a page: directories first, then by name, with sizes and dates. */
#ifndef LBSTATIC_LISTING_H
#define LBSTATIC_LISTING_H

#include "site.h"

/* fd is the directory, and stays open.  *html is to be freed.  0 or -errno. */
int listing_make(const struct site *site, const char *path, int fd, char **html, size_t *len);

#endif
