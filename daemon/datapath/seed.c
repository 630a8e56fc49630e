/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seed that flows are hashed with.  It lies in a pinned map, which only root can open, and so outlives
 * lbd: a flow hashes as before for the next one.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "datapath/internal.h"

static int seed_map(const struct datapath *dp)
{
	return bpf_map__fd(dp->skel->maps.seeds);
}

static int seed_draw(struct lb_seed *seed)
{
	*seed = (struct lb_seed){.origin = LB_SEED_DRAWN};
	return getrandom(seed->key, sizeof(seed->key), 0) == sizeof(seed->key) ? 0 : -errno;
}

int seed_open(struct datapath *dp)
{
	struct lb_seed seed;
	uint32_t zero = 0;
	int err = bpf_map_lookup_elem(seed_map(dp), &zero, &seed);

	if (err || seed.origin != LB_SEED_NONE)
		return err;
	err = seed_draw(&seed);
	return err ? err : bpf_map_update_elem(seed_map(dp), &zero, &seed, BPF_ANY);
}

int datapath_set_seed(struct datapath *dp, const uint8_t *bytes)
{
	struct lb_seed seed = {.origin = LB_SEED_CONFIGURED}, known;
	uint32_t zero = 0;
	int err = bpf_map_lookup_elem(seed_map(dp), &zero, &known);

	if (err || (!bytes && known.origin == LB_SEED_DRAWN))
		return err;
	if (bytes)
		memcpy(seed.key, bytes, sizeof(seed.key));
	else
		err = seed_draw(&seed);
	if (err || !memcmp(&seed, &known, sizeof(seed)))
		return err;
	return bpf_map_update_elem(seed_map(dp), &zero, &seed, BPF_ANY);
}
