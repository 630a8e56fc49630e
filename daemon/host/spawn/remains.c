/* SPDX-License-Identifier: Apache-2.0 */
#include "host/spawn/remains.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cgroup/cgroup.h"
#include "host/cgroup/end.h"
#include "host/process/process.h"
#include "host/spawn/reaper.h"

struct owner {
	char *name; /* the key in owners */
	struct part *parts;
	unsigned count; /* of them, at least 1 */
};

/* A child, or a group. */
struct part {
	struct part *next;
	struct owner *owner;
	pid_t pid;
	const char
		*dir; /* of the group; NULL: it is a child.  cgroup_end() has it until it is gone */
};

static void *owners; /* see tsearch(3) */

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct owner *)a)->name, ((const struct owner *)b)->name);
}

static struct owner *find_pile(const char *name)
{
	const struct owner key = {.name = (char *)name};
	struct owner **found = tfind(&key, &owners, compare_names);

	return found ? *found : NULL;
}

static struct owner *find_or_add_pile(const char *name)
{
	struct owner *owner = find_pile(name);

	if (owner)
		return owner;
	owner = calloc(1, sizeof(*owner));
	if (owner && (owner->name = strdup(name)) && tsearch(owner, &owners, compare_names))
		return owner;
	if (owner)
		free(owner->name);
	free(owner);
	return NULL;
}

/* NULL: no memory, and it is not counted. */
static struct part *add_part(const char *name, pid_t pid, const char *dir)
{
	struct part *part = malloc(sizeof(*part));
	struct owner *owner = part ? find_or_add_pile(name) : NULL;

	if (!owner) {
		free(part);
		return NULL;
	}
	*part = (struct part){owner->parts, owner, pid, dir};
	owner->parts = part;
	owner->count++;
	return part;
}

static void part_gone(void *arg)
{
	struct part *part = arg;
	struct owner *owner = part->owner;
	struct part **link = &owner->parts;

	while (*link != part)
		link = &(*link)->next;
	*link = part->next;
	free(part);
	if (--owner->count)
		return;
	tdelete(owner, &owners, compare_names);
	free(owner->name);
	free(owner);
}

void remains_child(sd_event *event, const char *name, struct spawn_child *child)
{
	struct part *part = child->pidfd >= 0 ? add_part(name, child->pid, NULL) : NULL;

	reaper_take(event, child, part ? part_gone : NULL, part);
}

void remains_group(sd_event *event, const char *name, char *dir, unsigned levels)
{
	struct part *part = add_part(name, 0, dir);

	cgroup_end(event, dir, levels, part ? part_gone : NULL, part);
}

unsigned remains_count(const char *name)
{
	const struct owner *owner = find_pile(name);

	return owner ? owner->count : 0;
}

const char *remains_describe(const char *name, char text[REMAINS_TEXT_BYTES])
{
	const struct owner *owner = find_pile(name);
	const struct part *part = owner ? owner->parts : NULL;
	pid_t pid;

	*text = '\0';
	if (!part)
		return text;
	pid = part->dir ? cgroup_first(part->dir) : part->pid;
	if (pid)
		return process_describe(pid, text);
	snprintf(text, REMAINS_TEXT_BYTES, "control group %.80s", part->dir);
	return text;
}
