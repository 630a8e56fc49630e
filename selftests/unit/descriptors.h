/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors for a test that needs many.  To be included after cmocka.h. */
#ifndef LB_DESCRIPTORS_H
#define LB_DESCRIPTORS_H

#include <sys/resource.h>

/*
 * Skips the test where this process, and those that it starts, cannot have so many: the kernel
 * itself allows 4096, a service manager often more, and CAP_SYS_RESOURCE any number.
 */
static inline void need_descriptors(rlim_t count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < count)
		limit.rlim_max = count;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		skip();
}

#endif
