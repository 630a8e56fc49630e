/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "conf_build.h"

enum { NAME_BYTES_MAX = 63 };

int conf_check_name(const struct block *at, struct error *error)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	const char *name = at->words[1];
	size_t length = strlen(name);

	/* It becomes part of the names of files, and of POOL:PORT. */
	if (length == 0 || length > NAME_BYTES_MAX || name[strspn(name, letters)] ||
	    strchr(".-", name[0]))
		return block_error(at, error, -EINVAL,
				   "%s: found the name \"%.80s\"; allowed: up to %d letters, "
				   "digits, _ . and -, first a letter, digit or _",
				   at->words[0], name, NAME_BYTES_MAX);
	if (strcmp(name, "all") == 0)
		return block_error(at, error, -EINVAL,
				   "%s: found the name \"all\", which means every worker to "
				   "lbctl; take another",
				   at->words[0]);
	return 0;
}
