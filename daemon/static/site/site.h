/* SPDX-License-Identifier: Apache-2.0 */
/* What is served: the options with everything open that they name.  Made once, at start. */
#ifndef LBSTATIC_SITE_H
#define LBSTATIC_SITE_H

#include "static/options/mime.h"
#include "static/options/options.h"

struct site {
	struct options *options;
	struct mime *mime;
	int root; /* directory descriptor */
};

/* Opens the root and the aliases, reads types and passwords; 0 or -errno with fault. */
int site_open(struct site *site, struct options *options, struct fault *fault);
void site_close(struct site *site);

#endif
