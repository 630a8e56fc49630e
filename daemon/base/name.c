/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "lb/ctl.h"

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static_assert(sizeof(LB_CTL_RUN_DIR "/"
				    "/notify/"
				    ":65535") +
			      NAME_INSTANCE_MAX + NAME_POOL_MAX <=
		      sizeof(((struct sockaddr_un *)0)->sun_path),
	      "the path of a notify socket");

static bool is_of(const char *name, const char *letters, size_t most)
{
	size_t length = strlen(name);

	return length && length <= most && strspn(name, letters) == length &&
	       !strchr(".-", name[0]);
}

int name_check_instance(const char *name, struct error *error)
{
	if (is_of(name, ALPHANUMERIC "_-", NAME_INSTANCE_MAX))
		return 0;
	return error_set(
		error, -EINVAL,
		"instance \"%.80s\": allowed are 1 to %d letters, digits, _ and -, first a "
		"letter, digit or _",
		name, NAME_INSTANCE_MAX);
}

bool name_is_good(const char *name)
{
	return is_of(name, ALPHANUMERIC "_.-", NAME_POOL_MAX);
}
