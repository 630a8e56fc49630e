/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply.h"

#include <bpf/bpf.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "datapath/datapath.h"
#include "unit/own_netns.h"

enum { ID = 3, ROUNDS = 20000, OPEN = 5 };

static struct datapath *dp;
static int loads;
static _Atomic uint32_t in_force; /* generation that has OPEN connections; 0: being changed */
static _Atomic bool is_over;
static _Atomic unsigned wrong;

static void set_load(uint32_t active)
{
	uint32_t id = ID;

	assert_int_equal(bpf_map_update_elem(loads, &id, &(struct lb_load){.active = active}, 0),
			 0);
}

/* As track does: were a connection of the old generation to be counted now, would it be in the new sum? */
static void *watch(void *unused)
{
	while (!is_over) {
		uint32_t id = ID, generation = in_force;
		struct lb_backend backend = {0};
		struct lb_load load = {0};

		bpf_map_lookup_elem(loads, &id, &load);
		datapath_get_backend(dp, ID, &backend);
		if (generation && generation == in_force && !load.active &&
		    backend.generation == generation)
			wrong++;
	}
	return unused;
}

static void generation_goes_before_its_count(void **unused)
{
	struct model model = {.dp = dp};
	struct backend backend = {.model = &model, .id = ID, .generation = 1, .weight = 1};
	struct error error;
	pthread_t watcher;

	(void)unused;
	if (!dp)
		skip();
	assert_int_equal(addr_parse_endpoint("127.0.0.1:8081", &backend.endpoint, &error), 0);
	assert_int_equal(pthread_create(&watcher, NULL, watch, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct apply_before before;
		struct lb_load load;

		set_load(OPEN);
		in_force = i ? backend.generation : 0;
		backend.generation++;
		assert_int_equal(apply_backend_added(&backend, &before), 0);
		in_force = 0;
		assert_int_equal(datapath_read_load(dp, ID, &load), 0);
		assert_int_equal(load.active, 0);
	}
	is_over = true;
	pthread_join(watcher, NULL);
	assert_int_equal(wrong, 0);
}

static int setup(void **unused)
{
	struct error error;

	(void)unused;
	if (!own_netns_enter())
		return 0;
	if (datapath_open("t", &dp, &error))
		return -1;
	loads = bpf_obj_get("/sys/fs/bpf/lbd/t/maps/loads");
	return loads < 0 ? -1 : 0;
}

static int teardown(void **unused)
{
	(void)unused;
	if (dp)
		close(loads);
	datapath_destroy(dp);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generation_goes_before_its_count),
	};

	return cmocka_run_group_tests_name("apply", tests, setup, teardown);
}
