/* SPDX-License-Identifier: Apache-2.0 */
/* links/steer tells which network namespace an instance steers, maps/services what it serves there, backend_ids by whom. */
#include "datapath/pins/others.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datapath/pins/pins.h"

/* It may change while it is read, and be read from its beginning again. */
enum { READ_MOST = 2 * (LB_MAX_LISTENS > LB_MAX_BACKENDS ? LB_MAX_LISTENS : LB_MAX_BACKENDS) };

/* instance: of some directory there; false ends it. */
static void each_instance(bool (*each)(void *arg, const char *instance), void *arg)
{
	char path[PINS_PATH_BYTES], name[OTHERS_NAME_BYTES];
	struct dirent *entry;
	DIR *dir = opendir(pins_path(path, "", NULL, NULL));

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(name))
			continue;
		snprintf(name, sizeof(name), "%.*s", NAME_INSTANCE_MAX, entry->d_name);
		if (!each(arg, name))
			break;
	}
	if (dir)
		closedir(dir);
}

static bool link_info(const char *instance, const char *name, struct bpf_link_info *info)
{
	uint32_t length = sizeof(*info);
	char path[PINS_PATH_BYTES];
	int err, link = bpf_obj_get(pins_path(path, instance, "links", name));

	if (link < 0)
		return false;
	memset(info, 0, sizeof(*info));
	err = bpf_obj_get_info_by_fd(link, info, &length);
	close(link);
	return !err;
}

/* Of a namespace that is gone it tells 0. */
static bool instance_steers(const char *instance, ino_t netns)
{
	struct bpf_link_info info;

	return link_info(instance, "steer", &info) && info.type == BPF_LINK_TYPE_NETNS &&
	       info.netns.netns_ino == netns;
}

/* Below 0: none, or of an lbd whose addresses are not as ours. */
static int addresses_of(const char *instance, const char *name)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	char path[PINS_PATH_BYTES];
	int map = bpf_obj_get(pins_path(path, instance, "maps", name));

	if (map < 0)
		return map;
	if (!bpf_obj_get_info_by_fd(map, &info, &length) &&
	    info.key_size == sizeof(struct lb_endpoint))
		return map;
	close(map);
	return -1;
}

struct addresses {
	const char *own, *map; /* by whose name; its keys are addresses */
	ino_t netns;
	others_address *each;
	void *arg;
};

static bool each_address(void *arg, const char *instance)
{
	const struct addresses *wanted = arg;
	struct lb_endpoint key;
	int map;

	if (!strcmp(instance, wanted->own) || !instance_steers(instance, wanted->netns))
		return true;
	map = addresses_of(instance, wanted->map);
	if (map < 0)
		return true;
	for (int i = 0; i < READ_MOST && !bpf_map_get_next_key(map, i ? &key : NULL, &key); i++)
		wanted->each(wanted->arg, instance, &key);
	close(map);
	return true;
}

static void each_of(const char *own, const char *map, others_address *each, void *arg)
{
	struct addresses wanted = {.own = own, .map = map, .each = each, .arg = arg};
	struct stat st;

	if (stat("/proc/self/ns/net", &st))
		return;
	wanted.netns = st.st_ino;
	each_instance(each_address, &wanted);
}

void others_each_listen(const char *own, others_address *each, void *arg)
{
	each_of(own, "services", each, arg);
}

void others_each_backend(const char *own, others_address *each, void *arg)
{
	each_of(own, "backend_ids", each, arg);
}

struct program {
	uint32_t id;
	const char *instance; /* that is looked at */
	char *found;
};

static void look_at_link(void *arg, const char *name)
{
	struct program *program = arg;
	struct bpf_link_info info;

	if (link_info(program->instance, name, &info) && info.prog_id == program->id)
		snprintf(program->found, OTHERS_NAME_BYTES, "%s", program->instance);
}

static bool look_at_links(void *arg, const char *instance)
{
	struct program *program = arg;

	program->instance = instance;
	pins_each_link(instance, look_at_link, program);
	return !*program->found;
}

bool others_find_program(uint32_t id, char instance[OTHERS_NAME_BYTES])
{
	struct program program = {.id = id, .found = instance};

	*instance = '\0';
	each_instance(look_at_links, &program);
	return *instance;
}
