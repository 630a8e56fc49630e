/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What loading costs: nearly all of the time that a start or an adoption takes is the verifier's, and it
 * goes by the instructions that it goes through, those of all paths together.  They depend on the kernel,
 * not on the machine.
 */
#include <bpf/bpf.h>

#include "tests.h"
#include "world.h"

enum { MOST_VERIFIED = 30000 };

static void verifiers_work(void **state)
{
	struct bpf_program *program;

	(void)state;
	bpf_object__for_each_program(program, world->obj)
	{
		struct bpf_prog_info info = {0};
		uint32_t length = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length),
				 0);
		if (!info.verified_insns || info.verified_insns > MOST_VERIFIED)
			fail_msg("%s: %u instructions verified, 1 to %d are meant",
				 bpf_program__name(program), info.verified_insns, MOST_VERIFIED);
	}
}

int test_load(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verifiers_work),
	};

	return cmocka_run_group_tests_name("load", tests, world_open, world_close);
}
