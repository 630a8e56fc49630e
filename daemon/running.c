/* SPDX-License-Identifier: Apache-2.0 */
#include "running.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "read_file.h"
#include "ring.h"

enum { FILE_BYTES_MAX = 16 << 20 };

static void path_of(const char *run_dir, const char *suffix, char path[256])
{
	snprintf(path, 256, "%s/running.conf%s", run_dir, suffix);
}

uint64_t running_origin(const char *conf_path)
{
	uint64_t origin = ring_name(conf_path, strlen(conf_path));
	struct error ignored;
	size_t length;
	char *text;

	if (read_file("", conf_path, geteuid(), FILE_BYTES_MAX, &text, &length, &ignored))
		return origin;
	origin = origin * 31 + ring_name(text, length);
	free(text);
	return origin;
}

int running_write(const char *run_dir, uint64_t origin, const struct block *root)
{
	char path[256], aside[256];
	FILE *file;
	int err;

	path_of(run_dir, "", path);
	path_of(run_dir, ".new", aside);
	file = fopen(aside, "we");
	if (!file)
		return -errno;
	fprintf(file, "# origin %016" PRIx64 "\n\n", origin);
	block_print(root, file);
	err = ferror(file) ? -EIO : 0;
	if (fclose(file) && !err)
		err = -errno;
	if (!err && rename(aside, path))
		err = -errno;
	return err;
}

int running_read(const char *run_dir, uint64_t origin, struct conf **conf, struct error *error)
{
	char path[256];
	uint64_t known = 0;
	FILE *file;
	int found;

	path_of(run_dir, "", path);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	found = fscanf(file, "# origin %" SCNx64, &known);
	fclose(file);
	if (found != 1 || known != origin)
		return error_set(error, -ENOENT, "%s: of another configuration", path);
	return conf_read(path, conf, error);
}
