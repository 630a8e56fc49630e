/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/capabilities.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MASK_BITS = 64 };

static unsigned count_capabilities(void)
{
	return CAP_LAST_CAP + 1U;
}

uint64_t capabilities_find(const char *name)
{
	int number;

	if (strncasecmp(name, "cap_", 4) == 0)
		name += 4;
	number = capng_name_to_capability(name);
	return number < 0 || number >= MASK_BITS ? 0 : 1ULL << number;
}

const char *capabilities_name(unsigned number)
{
	const char *name = capng_capability_to_name(number);

	return name ? name : "unknown";
}

/* libcap-ng remembers the process that it was first used in; here it may be that one's child. */
static void read_own(void)
{
	capng_setpid(getpid());
	capng_get_caps_process();
}

uint64_t capabilities_permitted(void)
{
	uint64_t set = 0;

	read_own();
	for (unsigned i = 0; i < count_capabilities(); i++)
		if (capng_have_capability(CAPNG_PERMITTED, i))
			set |= 1ULL << i;
	return set;
}

/* What libcap-ng is about to apply: exactly this set in these of its kinds. */
static void update_set(capng_type_t kinds, uint64_t set)
{
	for (unsigned i = 0; i < count_capabilities(); i++)
		capng_update(set >> i & 1 ? CAPNG_ADD : CAPNG_DROP, kinds, i);
}

static int apply_sets(capng_select_t what)
{
	errno = EPERM; /* where it does not say */
	return capng_apply(what) ? -errno : 0;
}

int capabilities_disinherit(void)
{
	/* The ambient set empties itself with the inheritable one, see capabilities(7). */
	read_own();
	update_set(CAPNG_INHERITABLE, 0);
	return apply_sets(CAPNG_SELECT_CAPS);
}

int capabilities_bound(uint64_t set)
{
	for (unsigned i = 0; i < count_capabilities(); i++)
		if (!(set >> i & 1) && prctl(PR_CAPBSET_READ, i) == 1 && prctl(PR_CAPBSET_DROP, i))
			return -errno;
	return 0;
}

int capabilities_take(uint64_t set)
{
	int err;

	read_own();
	update_set(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE, set);
	err = apply_sets(CAPNG_SELECT_CAPS);
	for (unsigned i = 0; !err && i < count_capabilities(); i++)
		if (set >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0))
			err = -errno;
	return err;
}

int capabilities_keep(uint64_t set)
{
	set &= capabilities_permitted();
	update_set(CAPNG_EFFECTIVE | CAPNG_PERMITTED, set);
	update_set(CAPNG_INHERITABLE, 0);
	return apply_sets(CAPNG_SELECT_CAPS);
}
