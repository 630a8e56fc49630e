/* SPDX-License-Identifier: Apache-2.0 */
/* Reading whole maps, by batches: one system call for thousands of elements. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/internal.h"

enum { CURSOR_BYTES = 64 }; /* at least a key's: where a next batch would begin */

struct table {
	size_t key_bytes, value_bytes, count;
	char *keys, *values;
};

static void table_free(struct table *table)
{
	free(table->keys);
	free(table->values);
}

/* The kernel's layout of a per-CPU value: one of a multiple of 8 bytes for each possible CPU. */
static int value_bytes(const struct bpf_map *map)
{
	int cpus;

	if (bpf_map__type(map) != BPF_MAP_TYPE_PERCPU_ARRAY)
		return bpf_map__value_size(map);
	cpus = libbpf_num_possible_cpus();
	return cpus < 0 ? cpus : (int)(cpus * ((bpf_map__value_size(map) + 7) / 8 * 8));
}

/* There is room for all, so one batch comes to the end, which the kernel calls ENOENT. */
static int table_fill(struct table *table, int fd, size_t room)
{
	char next[CURSOR_BYTES];
	uint32_t count = room;
	int err = bpf_map_lookup_batch(fd, NULL, next, table->keys, table->values, &count, NULL);

	if (err && err != -ENOENT)
		return err;
	table->count = count;
	return 0;
}

/* All elements of a map.  Copied before they are looked at, so that the looker may change the map. */
static int table_read(const struct bpf_map *map, struct table *table)
{
	size_t room = bpf_map__max_entries(map);
	int bytes = value_bytes(map);

	memset(table, 0, sizeof(*table));
	if (bytes < 0)
		return bytes;
	table->key_bytes = bpf_map__key_size(map);
	table->value_bytes = bytes;
	table->keys = malloc(room * table->key_bytes);
	table->values = malloc(room * table->value_bytes);
	if (!table->keys || !table->values)
		return -ENOMEM;
	return table_fill(table, bpf_map__fd(map), room);
}

int datapath_each_service(struct datapath *dp,
			  void (*each)(void *arg, const struct lb_endpoint *,
				       const struct lb_service *),
			  void *arg)
{
	struct table t;
	int err = table_read(dp->skel->maps.services, &t);

	for (size_t i = 0; !err && i < t.count; i++)
		each(arg, (struct lb_endpoint *)t.keys + i, (struct lb_service *)t.values + i);
	table_free(&t);
	return err;
}

int datapath_each_acl(struct datapath *dp,
		      void (*each)(void *arg, const struct lb_acl_key *, int verdict), void *arg)
{
	struct table t;
	int err = table_read(dp->skel->maps.acl, &t);

	for (size_t i = 0; !err && i < t.count; i++)
		each(arg, (struct lb_acl_key *)t.keys + i, (uint8_t)t.values[i]);
	table_free(&t);
	return err;
}

int datapath_each_local(struct datapath *dp, void (*each)(void *arg, const struct lb_local_key *),
			void *arg)
{
	struct table t;
	int err = table_read(dp->skel->maps.locals, &t);

	for (size_t i = 0; !err && i < t.count; i++)
		each(arg, (struct lb_local_key *)t.keys + i);
	table_free(&t);
	return err;
}

int datapath_each_backend_id(struct datapath *dp,
			     void (*each)(void *arg, const struct lb_endpoint *,
					  const struct lb_backend_id *),
			     void *arg)
{
	struct table t;
	int err = table_read(dp->skel->maps.backend_ids, &t);

	for (size_t i = 0; !err && i < t.count; i++)
		each(arg, (struct lb_endpoint *)t.keys + i, (struct lb_backend_id *)t.values + i);
	table_free(&t);
	return err;
}

int datapath_each_worker(struct datapath *dp,
			 void (*each)(void *arg, uint64_t group, const struct lb_worker *),
			 void *arg)
{
	struct table t;
	int err = table_read(dp->skel->maps.workers, &t);

	for (size_t i = 0; !err && i < t.count; i++)
		each(arg, ((uint64_t *)t.keys)[i], (struct lb_worker *)t.values + i);
	table_free(&t);
	return err;
}

int datapath_read_load(struct datapath *dp, uint16_t id, struct lb_load *load)
{
	uint32_t key = id;

	return bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.loads), &key, load);
}

int datapath_read_loads(struct datapath *dp, struct lb_load *loads)
{
	struct table t;
	int err = table_read(dp->skel->maps.loads, &t);

	if (!err)
		memcpy(loads, t.values, t.count * sizeof(*loads));
	table_free(&t);
	return err;
}

/* Sums a map of 64-bit counters, so many to an element, over the CPUs. */
static int sum_counters(const struct bpf_map *map, uint64_t *sums, size_t each)
{
	struct table t;
	int err = table_read(map, &t);
	size_t words = t.value_bytes / sizeof(uint64_t);

	for (size_t i = 0; !err && i < t.count; i++) {
		const uint64_t *value = (uint64_t *)t.values + i * words;

		memset(sums + i * each, 0, each * sizeof(*sums));
		for (size_t w = 0; w < words; w++)
			sums[i * each + w % each] += value[w];
	}
	table_free(&t);
	return err;
}

int datapath_read_reasons(struct datapath *dp, uint64_t reasons[LB_REASON_COUNT])
{
	return sum_counters(dp->skel->maps.reasons, reasons, 1);
}

int datapath_read_service_counts(struct datapath *dp, struct lb_service_count *counts)
{
	return sum_counters(dp->skel->maps.service_counts, (uint64_t *)counts,
			    sizeof(*counts) / sizeof(uint64_t));
}
