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

struct pile {
	char *name; /* the key in piles */
	struct part *parts;
	unsigned count; /* of them, at least 1 */
};

/* A child, or a group. */
struct part {
	struct part *next;
	struct pile *pile;
	pid_t pid;
	const char
		*dir; /* of the group; NULL: it is a child.  cgroup_end() has it until it is gone */
};

static void *piles; /* see tsearch(3) */

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct pile *)a)->name, ((const struct pile *)b)->name);
}

static struct pile *find_pile(const char *name)
{
	const struct pile key = {.name = (char *)name};
	struct pile **found = tfind(&key, &piles, compare_names);

	return found ? *found : NULL;
}

static struct pile *find_or_add_pile(const char *name)
{
	struct pile *pile = find_pile(name);

	if (pile)
		return pile;
	pile = calloc(1, sizeof(*pile));
	if (pile && (pile->name = strdup(name)) && tsearch(pile, &piles, compare_names))
		return pile;
	if (pile)
		free(pile->name);
	free(pile);
	return NULL;
}

/* NULL: no memory, and it is not counted. */
static struct part *add_part(const char *name, pid_t pid, const char *dir)
{
	struct part *part = malloc(sizeof(*part));
	struct pile *pile = part ? find_or_add_pile(name) : NULL;

	if (!pile) {
		free(part);
		return NULL;
	}
	*part = (struct part){pile->parts, pile, pid, dir};
	pile->parts = part;
	pile->count++;
	return part;
}

static void part_gone(void *arg)
{
	struct part *part = arg;
	struct pile *pile = part->pile;
	struct part **link = &pile->parts;

	while (*link != part)
		link = &(*link)->next;
	*link = part->next;
	free(part);
	if (--pile->count)
		return;
	tdelete(pile, &piles, compare_names);
	free(pile->name);
	free(pile);
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
	const struct pile *pile = find_pile(name);

	return pile ? pile->count : 0;
}

const char *remains_describe(const char *name, char text[REMAINS_TEXT_BYTES])
{
	const struct pile *pile = find_pile(name);
	const struct part *part = pile ? pile->parts : NULL;
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
