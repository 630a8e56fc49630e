/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capabilities.h"
#include "conf_worker.h"

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

static int check_path(const struct block *at, const char *path, struct error *error)
{
	struct stat status;

	if (stat(path, &status) == 0)
		return 0;
	return block_error(at, error, -EINVAL,
			   "%s: found \"%.200s\": %s; name files and directories that are there",
			   at->words[0], path, strerror(errno));
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

		code = path ? check_path(at, path, error) : conf_no_memory(at, error);
		if (code)
			free(path);
		else
			code = conf_add_text(at, &confinement->read_only, path, error);
	}
	return code;
}
