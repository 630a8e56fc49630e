/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/save_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/publish.h"
#include "block/files.h"

struct planned {
	const char *file;
	char *text;
	struct publication *publication;
	bool is_put, has_failed;
};

struct save_plan {
	const struct block *now;
	struct origin *origin;
	const char **inclusions; /* of now */
	struct planned *list;
	size_t count;
	bool is_half;
};

int save_check(const struct origin *origin, const char *file, bool is_half, struct error *error)
{
	enum origin_look look = origin_look(origin, file);

	if (look == ORIGIN_SAME)
		return 0;
	return error_set(
		error, -EBUSY,
		"%s has %s: `lbctl reread` shows the difference, %s takes it up; move it away to "
		"save all the same",
		file,
		look == ORIGIN_NEW ? "come since the configuration was read"
				   : "been changed since it was read",
		is_half ? "`lbctl reload force`" : "`lbctl reload`");
}

static int no_memory(struct error *error)
{
	return error_set(error, -ENOMEM, "out of memory");
}

/* What belongs to the file of this name, by its own address; of one that several blocks include, the first.  NULL:
 * nothing. */
static const char *find_inclusion(const struct save_plan *plan, const char *name)
{
	const char **at = plan->inclusions;

	if (!strcmp(name, plan->now->file))
		return plan->now->file;
	while (*at && strcmp(*at, name) != 0)
		at++;
	return *at;
}

/* One that has nothing to say is made only where it must be there. */
static bool to_write(const struct save_plan *plan, const char *file, const char *text,
		     const char *there)
{
	if (there)
		return strcmp(text, there) != 0;
	return *text || !strcmp(file, plan->now->file) ||
	       block_would_include(plan->now, file) == BLOCK_BY_NAME;
}

/* Takes the text over. */
static int add_planned(struct save_plan *plan, const char *file, char *text, struct error *error)
{
	struct planned *list;

	list = reallocarray(plan->list, plan->count + 1, sizeof(*list));
	if (!list) {
		free(text);
		return no_memory(error);
	}
	plan->list = list;
	list[plan->count++] = (struct planned){.file = file, .text = text};
	return 0;
}

/* 1: it says something else now; 0; -errno with a line. */
static int is_due(const struct save_plan *plan, const char *file, const char *text,
		  struct error *error)
{
	char *there = NULL;
	int err = origin_text(file, !strcmp(file, plan->now->file), &there, error);

	if (!err || err == -ENOENT)
		err = to_write(plan, file, text, there);
	free(there);
	return err;
}

/* By name.  What is not read any more, since the `include` has gone, keeps what it says. */
static int plan_one(struct save_plan *plan, const char *file, struct error *error)
{
	const char *inclusion = find_inclusion(plan, file);
	char *text;
	int due;

	if (!inclusion && !block_would_include(plan->now, file))
		return 0;
	text = inclusion ? block_text(plan->now, inclusion) : strdup("");
	if (!text)
		return no_memory(error);
	due = is_due(plan, file, text, error);
	if (due > 0)
		return add_planned(plan, file, text, error);
	free(text);
	return due;
}

/* The main file last: it is what a reader of half a save must not find changed alone. */
static int plan_all(struct save_plan *plan, struct error *error)
{
	const char *file;
	int err = 0;

	for (size_t i = 0; !err && (file = origin_file(plan->origin, i)); i++)
		if (strcmp(file, plan->now->file) != 0)
			err = plan_one(plan, file, error);
	return err ? err : plan_one(plan, plan->now->file, error);
}

int save_plan_new(const struct block *now, struct origin *origin, bool is_half,
		  struct save_plan **plan, struct error *error)
{
	struct save_plan *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return no_memory(error);
	*made = (struct save_plan){.now = now,
				   .origin = origin,
				   .is_half = is_half,
				   .inclusions = block_list_inclusions(now)};
	err = made->inclusions ? plan_all(made, error) : no_memory(error);
	if (err)
		save_plan_free(made);
	else
		*plan = made;
	return err;
}

static void print_text(FILE *out, const void *arg)
{
	fputs(arg, out);
}

/* DANGER: of one that was moved away nobody knows any more who might read it, and it may hold secrets. */
static int prepare_planned(struct save_plan *plan, struct planned *planned, struct error *error)
{
	int err = publish_prepare(planned->file,
				  origin_has(plan->origin, planned->file) ? 0600 : 0644, print_text,
				  planned->text, &planned->publication, error);

	return err ? err : origin_expect(plan->origin, planned->file, planned->text, error);
}

static int check_planned(struct save_plan *plan, struct planned *planned, struct error *error)
{
	return save_check(plan->origin, planned->file, plan->is_half, error);
}

/* DANGER: whoever edits the file meanwhile must find his words there, or the line that says why. */
static int put_file(struct save_plan *plan, struct planned *planned, struct error *error)
{
	int err = check_planned(plan, planned, error);

	if (!err)
		err = publish_put(planned->publication, error);
	if (err)
		return err;
	planned->is_put = true;
	plan->is_half = true;
	return 0;
}

static int sync_name(struct save_plan *plan, struct planned *planned, struct error *error)
{
	(void)plan;
	return publish_sync(planned->publication, error);
}

typedef int step(struct save_plan *plan, struct planned *planned, struct error *error);

static int each_planned(struct save_plan *plan, step *do_step, struct error *error)
{
	for (size_t i = 0; i < plan->count; i++) {
		int err = do_step(plan, &plan->list[i], error);

		if (err) {
			plan->list[i].has_failed = true;
			return err;
		}
	}
	return 0;
}

int save_plan_prepare(struct save_plan *plan, struct error *error)
{
	return each_planned(plan, prepare_planned, error);
}

int save_plan_put(struct save_plan *plan, struct error *error)
{
	int err = each_planned(plan, check_planned, error);

	if (!err)
		err = each_planned(plan, put_file, error);
	return err ? err : each_planned(plan, sync_name, error);
}

bool save_plan_has_put(const struct save_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->list[i].is_put)
			return true;
	return false;
}

void save_plan_name_rest(const struct save_plan *plan, struct error *error)
{
	const char *before = "; not written either: ";

	for (size_t i = 0; i < plan->count; i++) {
		size_t used = strlen(error->text);

		if (plan->list[i].is_put || plan->list[i].has_failed)
			continue;
		snprintf(error->text + used, sizeof(error->text) - used, "%s%s", before,
			 plan->list[i].file);
		before = ", ";
	}
}

void save_plan_free(struct save_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->count; i++) {
		publish_end(plan->list[i].publication);
		free(plan->list[i].text);
	}
	free(plan->list);
	free(plan->inclusions);
	free(plan);
}
