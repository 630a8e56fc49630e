/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of what lbctl can do: grammar, help, output and completion follow from it. */
#ifndef LB_VERBS_H
#define LB_VERBS_H

#include "render.h"

enum verb_flags {
	VERB_WAITS = 1U << 0, /* its reply may take as long as it needs */
	VERB_RAW = 1U << 1,   /* its progress is data, not a remark */
	VERB_ENDS = 1U << 2,  /* done when lbd has ended */
	VERB_NEXT = 1U << 3,  /* done when the next lbd answers */
};

struct verb {
	const char *name, *usage, *help;
	render_fn *render; /* of the reply's data; NULL: none is expected */
	/* Instead of asking lbd; gets the request that would be sent. */
	int (*run)(const struct cli *cli, const json_t *request);
	unsigned flags;
};

extern const struct verb verbs[]; /* ended by a NULL name */

/* The verb that the first words name, the longest; *used: how many they are.  NULL: none. */
const struct verb *verbs_find(char *const *words, size_t count, size_t *used);

/* The name nearest to what was typed; NULL: none is near. */
const char *verbs_nearest(char *const *words, size_t count);

int verbs_help(const struct cli *cli, const json_t *request);

#endif
