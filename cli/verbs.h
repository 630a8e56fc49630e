/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of what lbctl can do: grammar, help, output and completion follow from it (verbs_find.h). */
#ifndef LB_VERBS_H
#define LB_VERBS_H

#include "render.h"

enum verb_flags {
	VERB_WAITS = 1U << 0, /* its reply may take as long as it needs */
	VERB_RAW = 1U << 1,   /* its progress is data, not a remark */
	VERB_ENDS = 1U << 2,  /* done when lbd has ended */
	VERB_NEXT = 1U << 3,  /* done when the next lbd answers */
	VERB_HELPS = 1U << 4, /* tells of this table, and asks nobody */
};

struct verb {
	const char *name, *usage, *help;
	render_fn *render; /* of the reply's data; NULL: none is expected */
	/* Instead of asking lbd; gets the request that would be sent. */
	int (*run)(const struct cli *cli, const json_t *request);
	unsigned flags;
};

extern const struct verb verbs[]; /* ended by a NULL name */

#endif
