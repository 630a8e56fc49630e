/* SPDX-License-Identifier: Apache-2.0 */
#include "roll/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "check/launch.h"

static void keep_first(void *arg, const char *line)
{
	struct error *found = arg;

	if (!found->text[0])
		snprintf(found->text, sizeof(found->text), "%s", line);
}

int roll_check(const struct backend *backend, struct error *error)
{
	const struct pool *pool = backend->pool;
	struct error found = {0};
	const struct launch_warn warn = {.tell = keep_first, .arg = &found};
	unsigned index = ntohs(backend->endpoint.port) - pool->conf->worker->first_port;
	int err = launch_check_worker(pool->conf, index, pool->whole->log_directory, &warn, error);

	if (err || !found.text[0])
		return err;
	return error_set(error, -EINVAL, "%s", found.text);
}
