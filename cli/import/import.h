/* SPDX-License-Identifier: Apache-2.0 */
/* `lbctl import`: yesterday's nginx.conf and supervisord.conf as an lbd.conf. */
#ifndef LB_IMPORT_H
#define LB_IMPORT_H

#include <stdio.h>

#include "base/error.h"

/*
 * Reads the files together, whichever kind each is, and prints an lbd.conf.  Each source line that is
 * not carried over is a comment in it, with file, line and why.  -errno with a line when a file cannot
 * be read or is neither kind (nothing is printed then), and -EINVAL after printing when the result is
 * refused on this host, such as for a user that is not there.
 */
int import_files(int count, char *const *files, FILE *out, struct error *error);

#endif
