/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/name.h"
#include "conf/build.h"

int conf_check_name(const struct block *at, struct error *error)
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
