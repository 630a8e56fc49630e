/* SPDX-License-Identifier: Apache-2.0 */
/* The table of directives: their names, numbers of arguments, and what each sets. */
#ifndef LBSTATIC_DIRECTIVES_H
#define LBSTATIC_DIRECTIVES_H

#include "static/options/options.h"

/* How many arguments a directive takes at most; 0 when the name is unknown.  '-' counts as '_'. */
unsigned directive_arguments(const char *name);

/* Carries one out; argument must live as long as options.  0 or -errno with fault. */
int directive_apply(struct options *options, const char *name, const char *const *argument,
		    unsigned arguments, struct fault *fault);

void directives_print(void);

#endif
