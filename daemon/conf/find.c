/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration has of that name; NULL: nothing. */
#include <string.h>

#include "conf/conf.h"

const struct conf_attach *conf_find_attach(const struct conf *conf, const char *interface)
{
	for (size_t i = 0; i < conf->attach_count; i++)
		if (!strcmp(conf->attaches[i].interface, interface))
			return &conf->attaches[i];
	return NULL;
}

const struct conf_pool *conf_find_pool(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->pool_count; i++)
		if (!strcmp(conf->pools[i].name, name))
			return &conf->pools[i];
	return NULL;
}

const struct conf_service *conf_find_service(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->service_count; i++)
		if (!strcmp(conf->services[i].name, name))
			return &conf->services[i];
	return NULL;
}
