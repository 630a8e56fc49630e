/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the maps: one map operation for each call, but for the ports' flags beside `services`. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "datapath/internal.h"

#define MAP_FD(dp, name) bpf_map__fd((dp)->skel->maps.name)

/* One element of an array. */
static int array_write(int map, uint32_t index, const void *value)
{
	return bpf_map_update_elem(map, &index, value, BPF_ANY);
}

/* Removing what is not there is done already. */
static int map_remove(int map, const void *key)
{
	int err = bpf_map_delete_elem(map, key);

	return err == -ENOENT ? 0 : err;
}

static int ports_write(struct datapath *dp)
{
	uint8_t flags[LB_PORTS];

	for (unsigned port = 0; port < LB_PORTS; port++) {
		const struct port_count *count = &dp->port_counts[port];

		flags[port] = (count->address ? LB_PORT_ADDRESS : 0) |
			      (count->any_v4 ? LB_PORT_ANY_V4 : 0) |
			      (count->any_v6 ? LB_PORT_ANY_V6 : 0);
	}
	return array_write(MAP_FD(dp, service_ports), 0, flags);
}

/* Also what could not be written the last time. */
static int ports_follow(struct datapath *dp)
{
	int err = dp->ports_changed ? ports_write(dp) : 0;

	dp->ports_changed &= err != 0;
	return err;
}

/* The count that a listen on this address belongs to. */
static uint16_t *port_count(struct datapath *dp, const struct lb_endpoint *key)
{
	struct port_count *count = &dp->port_counts[ntohs(key->port)];

	if (!addr_is_any(&key->addr))
		return &count->address;
	return addr_is_v4(&key->addr) ? &count->any_v4 : &count->any_v6;
}

static void count_port(void *arg, const struct lb_endpoint *key, const struct lb_service *value)
{
	struct datapath *dp = arg;

	(void)value;
	++*port_count(dp, key);
}

struct forgetting {
	int map, err;
};

static void forget_service(void *arg, const struct lb_endpoint *key, const struct lb_service *value)
{
	struct forgetting *forgetting = arg;

	(void)value;
	if (!forgetting->err)
		forgetting->err = map_remove(forgetting->map, key);
}

int maps_forget_services(struct datapath *dp)
{
	struct forgetting forgetting = {.map = MAP_FD(dp, services)};
	int err = datapath_each_service(dp, forget_service, &forgetting);

	return err ? err : forgetting.err;
}

int maps_open(struct datapath *dp)
{
	int err;

	dp->port_counts = calloc(LB_PORTS, sizeof(*dp->port_counts));
	if (!dp->port_counts)
		return -ENOMEM;
	err = datapath_each_service(dp, count_port, dp);
	return err ? err : ports_write(dp);
}

void maps_close(struct datapath *dp)
{
	free(dp->port_counts);
}

/* What has gone, or come, is counted before anything else can fail. */
static int service_remove(struct datapath *dp, const struct lb_endpoint *key)
{
	int err = bpf_map_delete_elem(MAP_FD(dp, services), key);

	if (err && err != -ENOENT)
		return err;
	if (!err)
		dp->ports_changed |= !--*port_count(dp, key);
	return ports_follow(dp);
}

/* A flag without its service only passes up: it goes after it, and comes after it. */
int datapath_set_service(struct datapath *dp, const struct lb_endpoint *key,
			 const struct lb_service *value)
{
	struct lb_service known;
	bool is_known;
	int err;

	if (!value)
		return service_remove(dp, key);
	err = datapath_get_service(dp, key, &known);
	if (err && err != -ENOENT)
		return err;
	is_known = !err;
	if (is_known && !memcmp(&known, value, sizeof(known)))
		return ports_follow(dp);
	err = bpf_map_update_elem(MAP_FD(dp, services), key, value, BPF_ANY);
	if (err)
		return err;
	if (!is_known)
		dp->ports_changed |= ++*port_count(dp, key) == 1;
	return ports_follow(dp);
}

int datapath_get_service(struct datapath *dp, const struct lb_endpoint *key,
			 struct lb_service *value)
{
	return bpf_map_lookup_elem(MAP_FD(dp, services), key, value);
}

int datapath_set_acl(struct datapath *dp, const struct lb_acl_key *key, int verdict)
{
	uint8_t value = verdict;

	if (verdict < 0)
		return map_remove(MAP_FD(dp, acl), key);
	return bpf_map_update_elem(MAP_FD(dp, acl), key, &value, BPF_ANY);
}

int datapath_set_local(struct datapath *dp, const struct lb_local_key *key, bool is_there)
{
	uint8_t value = 1;

	if (!is_there)
		return map_remove(MAP_FD(dp, locals), key);
	return bpf_map_update_elem(MAP_FD(dp, locals), key, &value, BPF_ANY);
}

int datapath_set_locals_at_hand(struct datapath *dp, const struct lb_locals_at_hand *value)
{
	return array_write(MAP_FD(dp, locals_at_hand), 0, value);
}

int datapath_set_pool(struct datapath *dp, uint16_t pool, const struct lb_pool *value)
{
	return array_write(MAP_FD(dp, pools), pool, value);
}

int datapath_set_backend(struct datapath *dp, uint16_t id, const struct lb_backend *value)
{
	return array_write(MAP_FD(dp, backends), id, value);
}

int datapath_get_backend(struct datapath *dp, uint16_t id, struct lb_backend *value)
{
	uint32_t index = id;

	return bpf_map_lookup_elem(MAP_FD(dp, backends), &index, value);
}

int datapath_clear_load(struct datapath *dp, uint16_t id)
{
	return array_write(MAP_FD(dp, loads), id, &(struct lb_load){0});
}

/* One value for each processor. */
int datapath_clear_service_count(struct datapath *dp, uint16_t id)
{
	int count = libbpf_num_possible_cpus(), err;
	struct lb_service_count *none;

	if (count < 0)
		return count;
	none = calloc((size_t)count, sizeof(*none));
	if (!none)
		return -ENOMEM;
	err = array_write(MAP_FD(dp, service_counts), id, none);
	free(none);
	return err;
}

int datapath_set_backend_id(struct datapath *dp, const struct lb_endpoint *key,
			    const struct lb_backend_id *value)
{
	if (!value)
		return map_remove(MAP_FD(dp, backend_ids), key);
	return bpf_map_update_elem(MAP_FD(dp, backend_ids), key, value, BPF_ANY);
}

int datapath_get_backend_id(struct datapath *dp, const struct lb_endpoint *key,
			    struct lb_backend_id *value)
{
	return bpf_map_lookup_elem(MAP_FD(dp, backend_ids), key, value);
}

int datapath_set_worker(struct datapath *dp, uint64_t group, const struct lb_worker *value)
{
	if (!value)
		return map_remove(MAP_FD(dp, workers), &group);
	return bpf_map_update_elem(MAP_FD(dp, workers), &group, value, BPF_ANY);
}

/* The tag first: a connection may come as soon as the listener can be chosen. */
int datapath_set_listener(struct datapath *dp, uint16_t id, uint32_t generation, bool is_v6, int fd)
{
	struct lb_tag tag = {.backend = id, .generation = generation};
	uint64_t value = fd;
	int err = bpf_map_update_elem(MAP_FD(dp, owners), &fd, &tag, BPF_ANY);

	return err ? err : array_write(MAP_FD(dp, listeners), LB_LISTENER(id, is_v6), &value);
}

int datapath_remove_listener(struct datapath *dp, uint16_t id, bool is_v6)
{
	uint32_t index = LB_LISTENER(id, is_v6);
	int err = map_remove(MAP_FD(dp, listeners), &index);

	return err == -EINVAL ? 0 : err; /* how a SOCKMAP says that the slot is empty */
}

int datapath_get_listener(struct datapath *dp, uint16_t id, bool is_v6, uint64_t *cookie)
{
	uint32_t index = LB_LISTENER(id, is_v6);

	return bpf_map_lookup_elem(MAP_FD(dp, listeners), &index, cookie);
}

int datapath_tags_fd(const struct datapath *dp)
{
	return MAP_FD(dp, owners);
}
