/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/start_check.h"

#include "check/own_addresses.h"
#include "settings/settings.h"

struct counter {
	const struct launch_warn *warn;
	size_t errors;
};

static void tell_counted(void *arg, const char *line)
{
	const struct counter *counter = arg;

	counter->warn->tell(counter->warn->arg, line);
}

static void refuse_counted(void *arg, const char *line)
{
	struct counter *counter = arg;

	counter->errors++;
	counter->warn->refuse(counter->warn->arg, line);
}

bool start_check(const struct conf *conf, const struct launch_warn *warn)
{
	struct counter counter = {.warn = warn};
	const struct launch_warn counting = {tell_counted, refuse_counted, &counter};
	struct own_addresses known = {0};
	struct error error;

	settings_check(conf, &counting);
	for (size_t i = 0; i < conf->pool_count; i++)
		launch_refuse(own_addresses_check(&known, &conf->pools[i], &error), &counting,
			      &error);
	for (size_t i = 0; i < conf->pool_count; i++)
		launch_refuse(launch_check(&conf->pools[i], conf->log_directory, &counting, &error),
			      &counting, &error);
	return !counter.errors;
}
