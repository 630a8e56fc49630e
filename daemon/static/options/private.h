/* SPDX-License-Identifier: Apache-2.0 */
/* For directives.c, which has the table of directives, and rule_directives.c, which has those that make a rule. */
#ifndef LBSTATIC_OPTIONS_PRIVATE_H
#define LBSTATIC_OPTIONS_PRIVATE_H

#include "static/options/options.h"

struct setting;

/* What a directive's function sees. */
struct call {
	struct options *options;
	const struct setting *setting;
	const char *const *argument;
	unsigned arguments;
	struct fault *fault;
};

/* Carries a directive out; 0, or -errno with call->fault. */
typedef int directive_function(const struct call *call);

struct setting {
	const char *name;
	unsigned min, max; /* arguments */
	directive_function *apply;
	size_t offset; /* of what it sets in struct options, for the general functions */
	const char *usage, *help;
};

/* "NAME: found '...', allowed: ..."; -EINVAL. */
int directive_refuse(const struct call *call, const char *found, const char *allowed);

directive_function add_header, add_header_everywhere, add_expires, add_alias, add_try_files,
	add_fallback;
directive_function add_error_page, add_allow, add_deny, add_auth;

#endif
