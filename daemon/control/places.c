/* SPDX-License-Identifier: Apache-2.0 */
#include "control/places.h"

#include <stddef.h>

static unsigned count_of_rank(const struct places *places, enum client_rank rank)
{
	unsigned count = 0;

	for (unsigned i = 0; i < places->count; i++)
		count += client_peer(places->clients[i])->rank == rank;
	return count;
}

static unsigned count_of_user(const struct places *places, const struct client_peer *peer)
{
	unsigned count = 0;

	for (unsigned i = 0; i < places->count; i++) {
		const struct client_peer *other = client_peer(places->clients[i]);

		count += other->rank == peer->rank && other->uid == peer->uid;
	}
	return count;
}

/* Of the user of this rank who has the most, at least `least`: the client that has been idle longest. */
static struct client *find_greediest(const struct places *places, enum client_rank rank,
				     unsigned least)
{
	struct client *found = NULL;

	for (unsigned i = 0; i < places->count; i++) {
		struct client *client = places->clients[i];
		unsigned count = count_of_user(places, client_peer(client));

		if (client_peer(client)->rank != rank || count < least ||
		    client_idle_since_us(client) == UINT64_MAX)
			continue;
		if (!found || count > least ||
		    client_idle_since_us(client) < client_idle_since_us(found))
			found = client;
		least = count;
	}
	return found;
}

bool places_make(struct places *places, const struct client_peer *peer)
{
	struct client *other;

	if (peer->rank == RANK_ROOT)
		return places->count < PLACES_MAX;
	if (count_of_rank(places, peer->rank) < PLACES_OF_RANK)
		return places->count < PLACES_MAX;
	/* With one more than the newcomer would have, both would only change places for ever. */
	other = find_greediest(places, peer->rank, count_of_user(places, peer) + 2);
	if (other)
		client_free(other);
	return other;
}

void places_add(struct places *places, struct client *client)
{
	places->clients[places->count++] = client;
}

void places_remove(struct places *places, const struct client *client)
{
	for (unsigned i = 0; i < places->count; i++)
		if (places->clients[i] == client)
			places->clients[i] = places->clients[--places->count];
}
