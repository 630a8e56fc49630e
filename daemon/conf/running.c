/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/running.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/read_file.h"
#include "base/seal.h"
#include "block/files.h"

enum { FILE_BYTES_MAX = 64 << 20 };

#define HEAD  "# lbd-running 4\n"
#define BEGUN "# written at "
#define UNIT  " us;"
#define HALF  " half saved;"
#define ROLLS " rolls: "

static void path_of(const char *run_dir, char path[256])
{
	snprintf(path, 256, "%s/running.conf", run_dir);
}

struct state {
	const struct running *running;
	const struct block *root;
};

static void print_running(FILE *file, const void *arg)
{
	const struct state *state = arg;

	fprintf(file, HEAD BEGUN "%" PRIu64 UNIT "%s" ROLLS "%s\n", clock_us(),
		state->running->is_saved_half ? HALF : "",
		state->running->rolls ? state->running->rolls : "");
	origin_print(state->running->origin, file);
	block_print_whole(state->root, file);
}

int running_write(const char *run_dir, const struct running *running, const struct block *root,
		  struct error *error)
{
	const struct state state = {running, root};
	char path[256];

	path_of(run_dir, path);
	return seal_publish(path, print_running, &state, error);
}

/* Takes root over. */
static int build_running(const char *path, struct block *root, const char *conf_path,
			 struct conf **conf, struct error *error)
{
	int err = 0;

	if (block_restore(root, conf_path))
		err = error_set(error, -ENOMEM, "%s: out of memory", path);
	if (!err)
		err = conf_rebuild(root, conf, error);
	if (err)
		block_free(root);
	return err;
}

int running_build(const char *path, const char *text, const char *conf_path, struct conf **conf,
		  struct error *error)
{
	struct block *root = NULL;
	int err = block_parse(path, text, strlen(text), &root, error);

	return err ? err : build_running(path, root, conf_path, conf, error);
}

static bool skip_words(char **at, const char *words)
{
	bool is_there = !strncmp(*at, words, strlen(words));

	*at += is_there ? strlen(words) : 0;
	return is_there;
}

/* Of the second line, which is not the configuration's.  Returns what follows it. */
static const char *read_begun(const char *text, struct running *running)
{
	size_t length = strcspn(text, "\n");
	char *end;

	running->written_us = strtoull(text + strlen(BEGUN), &end, 10);
	skip_words(&end, UNIT);
	running->is_saved_half = skip_words(&end, HALF);
	if (!strncmp(end, ROLLS, strlen(ROLLS)) && end + strlen(ROLLS) < text + length)
		running->rolls =
			strndup(end + strlen(ROLLS), (size_t)(text + length - end) - strlen(ROLLS));
	return text + length;
}

/* Takes what root tells of the files out of it, and root over. */
static int build_known(const char *path, struct block *root, const char *conf_path,
		       struct running *running, struct conf **conf, struct error *error)
{
	running->origin = origin_take(root, conf_path);
	if (running->origin)
		return build_running(path, root, conf_path, conf, error);
	block_free(root);
	return error_set(error, -ENOMEM, "%s: out of memory", path);
}

/*
 * DANGER: what is cut off between two directives reads as a configuration, which would end all that it lacks.  One of
 * another version may have no seal: its first line says so.
 */
static bool is_whole(char *text, size_t length)
{
	enum seal seal = seal_cut(text, length);

	return seal == SEAL_GOOD || (seal == SEAL_NONE && strncmp(text, HEAD, strlen(HEAD)) != 0);
}

static int read_text(const char *path, const char *text, const char *conf_path,
		     struct running *running, struct conf **conf, struct error *error)
{
	struct running known = {0};
	struct block *root = NULL;
	int err;

	if (strncmp(text, HEAD BEGUN, strlen(HEAD BEGUN)))
		return error_set(error, -EPROTO, "%s is torn, or of another version of lbd", path);
	text = read_begun(text + strlen(HEAD), &known);
	err = block_parse(path, text, strlen(text), &root, error);
	if (!err)
		err = build_known(path, root, conf_path, &known, conf, error);
	if (err)
		running_forget(&known);
	else
		*running = known;
	return err;
}

void running_forget(struct running *running)
{
	origin_free(running->origin);
	free(running->rolls);
	*running = (struct running){0};
}

int running_read(const char *run_dir, const char *conf_path, struct running *running,
		 struct conf **conf, struct error *error)
{
	char path[256], *text;
	size_t length;
	int err;

	path_of(run_dir, path);
	err = read_file("", path, geteuid(), FILE_BYTES_MAX, &text, &length, error);
	if (err)
		return err;
	if (!is_whole(text, length))
		err = error_set(error, -EBADMSG, "%s is torn, or nothing that lbd has written",
				path);
	else
		err = read_text(path, text, conf_path, running, conf, error);
	free(text);
	return err;
}
