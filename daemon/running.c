/* SPDX-License-Identifier: Apache-2.0 */
#include "running.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block_files.h"
#include "clock.h"
#include "publish.h"
#include "read_file.h"
#include "ring.h"

enum { FILE_BYTES_MAX = 64 << 20 };

#define HEAD  "# lbd-running 2 origin "
#define BEGUN "# written at "
#define ROLLS " us; rolls: "

static void path_of(const char *run_dir, char path[256])
{
	snprintf(path, 256, "%s/running.conf", run_dir);
}

/* With its includes, as text; NULL when there is a mistake in it, or no memory. */
static char *whole_text(const char *conf_path, size_t *length)
{
	struct block *root = NULL;
	struct error ignored;
	char *text = NULL;
	FILE *out;

	if (!block_parse_file(conf_path, &root, &ignored) && !block_include(root, &ignored) &&
	    (out = open_memstream(&text, length))) {
		block_print_whole(root, out);
		if (fclose(out)) {
			free(text);
			text = NULL;
		}
	}
	block_free(root);
	return text;
}

uint64_t running_origin(const char *conf_path)
{
	uint64_t origin = ring_name(conf_path, strlen(conf_path));
	struct error ignored;
	size_t length;
	char *text = whole_text(conf_path, &length);

	if (!text && read_file("", conf_path, geteuid(), FILE_BYTES_MAX, &text, &length, &ignored))
		return origin ? origin : 1;
	origin = origin * 31 + ring_name(text, length);
	free(text);
	return origin ? origin : 1;
}

struct state {
	const struct running *running;
	const struct block *root;
};

static void print(FILE *file, const void *arg)
{
	const struct state *state = arg;

	fprintf(file, HEAD "%016" PRIx64 "\n" BEGUN "%" PRIu64 ROLLS "%s\n", state->running->origin,
		clock_us(), state->running->rolls ? state->running->rolls : "");
	block_print_whole(state->root, file);
}

int running_write(const char *run_dir, const struct running *running, const struct block *root,
		  struct error *error)
{
	const struct state state = {running, root};
	char path[256];

	path_of(run_dir, path);
	return publish("", path, 0600, print, &state, error);
}

int running_build(const char *path, const char *text, const char *conf_path, struct conf **conf,
		  struct error *error)
{
	struct block *root = NULL;
	int err = block_parse(path, text, strlen(text), &root, error);

	if (!err && block_restore(root, conf_path))
		err = error_set(error, -ENOMEM, "%s: out of memory", path);
	if (!err)
		err = conf_rebuild(root, conf, error);
	if (err)
		block_free(root);
	return err;
}

/* Of the second line, which is not the configuration's.  Returns what follows it. */
static char *read_begun(char *text, struct running *running)
{
	size_t length = strcspn(text, "\n");
	char *end;

	running->written_us = strtoull(text + strlen(BEGUN), &end, 10);
	if (!strncmp(end, ROLLS, strlen(ROLLS)) && end + strlen(ROLLS) < text + length)
		running->rolls =
			strndup(end + strlen(ROLLS), (size_t)(text + length - end) - strlen(ROLLS));
	return text + length;
}

int running_read(const char *run_dir, const char *conf_path, struct running *running,
		 struct conf **conf, struct error *error)
{
	char path[256], *text, *end;
	struct running known = {0};
	size_t length;
	int err;

	path_of(run_dir, path);
	err = read_file("", path, geteuid(), FILE_BYTES_MAX, &text, &length, error);
	if (err)
		return err;
	if (strncmp(text, HEAD, strlen(HEAD))) {
		err = error_set(error, -EPROTO, "%s: of another version of lbd", path);
		goto out;
	}
	known.origin = strtoull(text + strlen(HEAD), &end, 16);
	if (!strncmp(end, "\n" BEGUN, strlen("\n" BEGUN)))
		end = read_begun(end + 1, &known);
	err = running_build(path, end, conf_path, conf, error);
	if (!err)
		*running = known;
	else
		free(known.rolls);
out:
	free(text);
	return err;
}
