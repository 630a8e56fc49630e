/* SPDX-License-Identifier: Apache-2.0 */
/* Where a setting is written, for messages. */
#include <string.h>

#include "conf/conf.h"

const struct block *conf_written(const struct conf_pool *pool, const char *block,
				 const char *directive, size_t nth)
{
	const struct block *inner = block_find(pool->at, (const char *const[]){block, NULL});

	for (const struct block *at = inner ? inner->first : NULL; at; at = at->next) {
		if (strcmp(at->words[0], directive))
			continue;
		if (nth < at->count - 1)
			return at;
		nth -= at->count - 1;
	}
	return pool->at;
}
