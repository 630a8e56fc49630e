/* SPDX-License-Identifier: Apache-2.0 */
/* FIFO.to beside each FIFO: where its bytes belong, for whoever reads on after lbd's death. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output_sink.h"
#include "publish.h"
#include "read_file.h"

enum { VERSION = 1, FILE_BYTES_MAX = 16384 };

static void path_of(const char *fifo, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s.to", fifo);
}

struct note {
	const struct conf_output *conf;
	const struct output_target *target;
};

static void print(FILE *file, const void *arg)
{
	const struct note *note = arg;

	fprintf(file, "lbd-output %d\nkind %d\nsize %llu\nfiles %u\nage %llu\nprefix %d\n", VERSION,
		note->conf->kind, (unsigned long long)note->conf->max_bytes, note->conf->max_files,
		(unsigned long long)note->conf->max_age_s, note->conf->prefix);
	fprintf(file, "err %d\nuser %u\nname %s\npath %s\n", note->target->is_err,
		note->target->user, note->target->name, note->target->path);
}

int output_target_write(const struct conf_output *conf, const struct output_target *target)
{
	const struct note note = {conf, target};
	struct error ignored;
	char path[PATH_MAX];

	path_of(target->fifo, path);
	return publish("", path, 0600, print, &note, &ignored);
}

void output_target_remove(const char *fifo)
{
	char path[PATH_MAX];

	path_of(fifo, path);
	unlink(path);
	unlink(fifo);
}

int output_target_read(const char *fifo, struct conf_output *conf, struct output_target *target,
		       char **text)
{
	unsigned long long size, age;
	int version, kind, prefix, is_err, name = 0, err;
	struct error ignored;
	char path[PATH_MAX], *end;
	size_t length;

	path_of(fifo, path);
	err = read_file("", path, geteuid(), FILE_BYTES_MAX, text, &length, &ignored);
	if (err)
		return err;
	if (sscanf(*text,
		   "lbd-output %d kind %d size %llu files %u age %llu prefix %d err %d user %u "
		   "name %n",
		   &version, &kind, &size, &conf->max_files, &age, &prefix, &is_err, &target->user,
		   &name) != 8 ||
	    !name || version != VERSION || !(end = strchr(*text + name, '\n')) ||
	    strncmp(end, "\npath ", 6)) {
		free(*text);
		return -EINVAL;
	}
	*end = 0;
	target->name = *text + name;
	target->path = end + 6;
	(*text)[length - 1] = 0;
	target->fifo = fifo;
	target->is_err = is_err;
	*conf = (struct conf_output){.kind = kind,
				     .max_bytes = size,
				     .max_files = conf->max_files,
				     .max_age_s = age,
				     .prefix = prefix};
	return 0;
}
