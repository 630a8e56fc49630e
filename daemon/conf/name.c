/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks with a name: pools and services. */
#include <errno.h>
#include <string.h>

#include "base/name.h"
#include "conf/private.h"

static int check_name(const struct block *at, struct error *error)
{
	const char *name = at->words[1];

	/* It becomes part of the names of files, and of POOL:PORT. */
	if (!name_is_good(name))
		return block_error(at, error, -EINVAL,
				   "%s: found the name \"%.80s\"; allowed: up to %d letters, "
				   "digits, _ . and -, first a letter, digit or _",
				   at->words[0], name, NAME_POOL_MAX);
	if (strcmp(name, "all") == 0)
		return block_error(at, error, -EINVAL,
				   "%s: found the name \"all\", which means every worker to "
				   "lbctl; take another",
				   at->words[0]);
	return 0;
}

int conf_walk_named(const struct block *at, char **name, const char *what,
		    const struct conf_directive *table, void *target, struct error *error)
{
	int code = check_name(at, error);

	if (!code)
		code = conf_copy(at, name, at->words[1], error);
	return code ? code : conf_walk(at, what, table, target, error);
}
