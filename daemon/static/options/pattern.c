// SPDX-License-Identifier: Apache-2.0
#include "static/options/pattern.h"

#include <fnmatch.h>
#include <string.h>

bool pattern_is_prefix(const char *pattern)
{
	return *pattern == '/' && !strpbrk(pattern, "*?[");
}

/* "/docs" covers /docs and /docs/x but not /docs2. */
static bool prefix_covers(const char *prefix, const char *path)
{
	size_t len = strlen(prefix);

	if (len && prefix[len - 1] == '/')
		len--;
	return !strncmp(prefix, path, len) && (!path[len] || path[len] == '/');
}

bool pattern_match(const char *pattern, const char *path)
{
	const char *name = strrchr(path, '/');

	if (pattern_is_prefix(pattern))
		return prefix_covers(pattern, path);
	if (strchr(pattern, '/'))
		return !fnmatch(pattern, path, 0);
	return !fnmatch(pattern, name ? name + 1 : path, 0);
}
