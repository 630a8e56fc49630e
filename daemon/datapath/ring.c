/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the pools' rings.  Putting a new inner map in place makes the kernel wait for an RCU grace
 * period (10 to 30 ms; maybe_wait_bpf_programs() in kernel/bpf/syscall.c), so each has room to spare,
 * stays mapped and is written in place while it has room.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "datapath/internal.h"

/* The kernel takes an inner map only with the flags of the one declared; loading forgets that one. */
void rings_prepare(struct datapath *dp)
{
	dp->ring_flags = bpf_map__map_flags(bpf_map__inner_map(dp->skel->maps.rings));
}

static void ring_unmap(struct ring_memory *ring)
{
	if (ring->entries)
		munmap(ring->entries, ring->room * sizeof(*ring->entries));
	*ring = (struct ring_memory){0};
}

void rings_close(struct datapath *dp)
{
	for (size_t i = 0; i < LB_MAX_SERVICES; i++)
		ring_unmap(&dp->rings[i]);
}

/* Whole entries: a choice under way reads the old one or the new one. */
static void ring_fill(const struct ring_memory *ring, const uint16_t *entries, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		__atomic_store_n(&ring->entries[i], entries[i], __ATOMIC_RELAXED);
}

/* Whole pages, which such a map takes in any case. */
static uint32_t room_for(uint32_t count)
{
	uint32_t a_page = (uint32_t)sysconf(_SC_PAGESIZE) / sizeof(uint16_t);

	return (count + a_page - 1) / a_page * a_page;
}

/* A map whose values, being of 8 bytes, lie side by side in memory as the ring does. */
static int ring_make(const struct datapath *dp, uint32_t room, struct ring_memory *ring)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = dp->ring_flags);
	uint32_t chunks = room / LB_RING_PER_CHUNK;
	int err, map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", sizeof(uint32_t),
				      sizeof(struct lb_ring_chunk), chunks, &opts);

	if (map < 0)
		return map;
	ring->room = room;
	ring->entries = mmap(NULL, room * sizeof(*ring->entries), PROT_READ | PROT_WRITE,
			     MAP_SHARED, map, 0);
	if (ring->entries != MAP_FAILED)
		return map;
	err = -errno;
	ring->entries = NULL;
	close(map);
	return err;
}

/* By one with these entries and room for so many. */
static int ring_replace(struct datapath *dp, uint32_t pool, const uint16_t *entries, uint32_t count,
			uint32_t room)
{
	struct ring_memory ring = {0};
	int err, map = ring_make(dp, room_for(room), &ring);

	if (map < 0)
		return map;
	ring_fill(&ring, entries, count);
	err = bpf_map_update_elem(bpf_map__fd(dp->skel->maps.rings), &pool, &map, BPF_ANY);
	close(map);
	if (err) {
		ring_unmap(&ring);
		return err;
	}
	ring_unmap(&dp->rings[pool]);
	dp->rings[pool] = ring;
	return 0;
}

static int ring_remove(struct datapath *dp, uint32_t pool)
{
	int err = bpf_map_delete_elem(bpf_map__fd(dp->skel->maps.rings), &pool);

	ring_unmap(&dp->rings[pool]);
	return err == -ENOENT ? 0 : err;
}

int datapath_grow_ring(struct datapath *dp, uint16_t pool, uint32_t count)
{
	const struct ring_memory *ring = &dp->rings[pool];

	if (pool >= LB_MAX_SERVICES || count > LB_RING_MAX)
		return -E2BIG;
	return count > ring->room ? ring_replace(dp, pool, ring->entries, ring->room, count) : 0;
}

int datapath_set_ring(struct datapath *dp, uint16_t pool, const uint16_t *entries, uint32_t count)
{
	if (pool >= LB_MAX_SERVICES || count > LB_RING_MAX)
		return -E2BIG;
	if (!count)
		return ring_remove(dp, pool);
	if (count > dp->rings[pool].room)
		return ring_replace(dp, pool, entries, count, count);
	ring_fill(&dp->rings[pool], entries, count);
	return 0;
}
