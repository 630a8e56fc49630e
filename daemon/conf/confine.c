/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker may not do: the setters of its capabilities and of the paths that it may only read. */
#include <stdlib.h>
#include <string.h>

#include "conf/worker_set.h"
#include "host/process/capabilities.h"

int worker_set_capabilities(void *target, const struct conf_directive *row, const struct block *at,
			    struct error *error)
{
	struct confinement *confinement = &((struct worker_draft *)target)->worker.confinement;

	confinement->set_capabilities = true;
	if (at->count == 2 && strcmp(at->words[1], "none") == 0)
		return 0;
	for (size_t i = 1; i < at->count; i++) {
		uint64_t bit = capabilities_find(at->words[i]);

		if (!bit)
			return conf_refuse(at, row, at->words[i], error);
		confinement->capabilities |= bit;
	}
	return 0;
}

int worker_set_read_only(void *target, const struct conf_directive *row, const struct block *at,
			 struct error *error)
{
	struct confinement *confinement = &((struct worker_draft *)target)->worker.confinement;
	int code = 0;

	(void)row;
	if (!confinement->read_only)
		confinement->read_only = calloc(1, sizeof(char *));
	for (size_t i = 1; i < at->count && !code; i++) {
		char *path = confinement->read_only ? conf_path(at, at->words[i]) : NULL;

		code = path ? conf_add_text(at, &confinement->read_only, path, error)
			    : conf_no_memory(at, error);
	}
	return code;
}
