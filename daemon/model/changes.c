/* SPDX-License-Identifier: Apache-2.0 */
#include "model/changes.h"

#include <stdlib.h>

struct change {
	struct backend *backend; /* NULL: forgotten */
	enum state from, to;
};

static void tell_change(struct changes *changes, struct backend *backend, enum state from,
			enum state to)
{
	if (changes->tell)
		changes->tell(changes->arg, backend, from, to);
}

void changes_hold(struct changes *changes)
{
	changes->held++;
}

void changes_release(struct changes *changes)
{
	/* While some are told this keeps the calls within from telling later ones first. */
	while (changes->held == 1 && changes->next < changes->count) {
		struct change change = changes->list[changes->next++];

		if (change.backend)
			tell_change(changes, change.backend, change.from, change.to);
	}
	if (--changes->held == 0)
		changes->next = changes->count = 0;
}

static bool make_room(struct changes *changes)
{
	size_t room = changes->room ? 2 * changes->room : 16;
	struct change *grown;

	if (changes->count < changes->room)
		return true;
	grown = reallocarray(changes->list, room, sizeof(*grown));
	if (!grown)
		return false;
	changes->list = grown;
	changes->room = room;
	return true;
}

void changes_add(struct changes *changes, struct backend *backend, enum state from, enum state to)
{
	if (!make_room(changes)) {
		tell_change(changes, backend, from, to);
		return;
	}
	changes->list[changes->count++] = (struct change){backend, from, to};
}

void changes_forget(struct changes *changes, const struct backend *backend)
{
	for (size_t i = changes->next; i < changes->count; i++)
		if (changes->list[i].backend == backend)
			changes->list[i].backend = NULL;
}

void changes_clear(struct changes *changes)
{
	free(changes->list);
	changes->list = NULL;
	changes->count = changes->next = changes->room = 0;
}
