/* SPDX-License-Identifier: Apache-2.0 */
#include "check/launch_once.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_new(struct launch_once *once, const char *line)
{
	char **larger, *copy;

	for (size_t i = 0; i < once->count; i++)
		if (!strcmp(once->lines[i], line))
			return false;
	copy = strdup(line);
	larger = copy ? reallocarray(once->lines, once->count + 1, sizeof(*larger)) : NULL;
	if (!larger) {
		free(copy);
		return true;
	}
	once->lines = larger;
	larger[once->count++] = copy;
	return true;
}

static void tell_once(void *arg, const char *line)
{
	struct launch_once *once = arg;

	if (is_new(once, line))
		once->to->tell(once->to->arg, line);
}

static void refuse_once(void *arg, const char *line)
{
	struct launch_once *once = arg;

	if (is_new(once, line))
		once->to->refuse(once->to->arg, line);
}

const struct launch_warn *launch_once_begin(struct launch_once *once, const struct launch_warn *to)
{
	*once = (struct launch_once){.to = to};
	once->warn = (struct launch_warn){tell_once, to->refuse ? refuse_once : NULL, once};
	return &once->warn;
}

void launch_once_end(struct launch_once *once)
{
	for (size_t i = 0; i < once->count; i++)
		free(once->lines[i]);
	free(once->lines);
}
