/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_warn.h"

/* A wildcard may match nothing on purpose; or its files have been moved, and what they said is gone. */
static void warn_unmatched(void *arg, const struct block *include)
{
	const struct launch_warn *warn = arg;
	struct error error;

	error_set(&error, 0, "include %.200s (%.200s:%u): matches no file", include->words[1],
		  include->file, include->line);
	warn->tell(warn->arg, error.text);
}

void conf_warn_words(const struct conf *conf, const struct launch_warn *warn)
{
	block_each_unmatched(conf->root, warn_unmatched, (void *)warn);
}
