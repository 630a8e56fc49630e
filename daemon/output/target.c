/* SPDX-License-Identifier: Apache-2.0 */
#include "output/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/read_file.h"
#include "base/seal.h"
#include "base/shortage.h"
#include "keeper/protocol.h"
#include "output/loss.h"

enum {
	VERSION = 2,
	SEALED_SINCE = 2,
	NOTE_BYTES_MAX = KEEPER_NOTE_BYTES_MAX + 63, /* and a seal */
};

#define SUFFIX ".to"

static void path_of(const char *fifo, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s" SUFFIX, fifo);
}

struct note {
	const struct conf_output *conf;
	const struct output_target *target;
};

static void print_note(FILE *file, const void *arg)
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
	return seal_publish(path, print_note, &note, &ignored);
}

char *output_target_text(const struct conf_output *conf, const struct output_target *target)
{
	const struct note note = {conf, target};
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	if (!file)
		return NULL;
	print_note(file, &note);
	if (!fclose(file))
		return text;
	free(text);
	return NULL;
}

void output_target_remove(const char *fifo)
{
	char path[PATH_MAX];

	path_of(fifo, path);
	unlink(path);
	output_loss_remove(fifo);
	unlink(fifo);
}

int output_target_parse(char *text, struct conf_output *conf, struct output_target *target)
{
	unsigned long long size, age;
	int version, kind, prefix, is_err, name = 0;
	size_t length = strlen(text);
	char *end;

	if (sscanf(text,
		   "lbd-output %d kind %d size %llu files %u age %llu prefix %d err %d user %u "
		   "name %n",
		   &version, &kind, &size, &conf->max_files, &age, &prefix, &is_err, &target->user,
		   &name) != 8 ||
	    !name || version > VERSION || !(end = strchr(text + name, '\n')) ||
	    strncmp(end, "\npath ", 6))
		return -EINVAL;
	*end = 0;
	text[length - 1] = 0;
	*target = (struct output_target){.name = text + name,
					 .path = end + 6,
					 .fifo = "",
					 .is_err = is_err,
					 .user = target->user};
	*conf = (struct conf_output){.kind = kind,
				     .max_bytes = size,
				     .max_files = conf->max_files,
				     .max_age_s = age,
				     .prefix = prefix};
	return 0;
}

/* DANGER: what is altered names another file, which root writes to. */
static bool is_whole(const char *path, char *text, size_t length)
{
	enum seal seal = seal_cut(text, length);
	int version;

	if (seal != SEAL_BROKEN && sscanf(text, "lbd-output %d", &version) == 1 &&
	    (seal == SEAL_GOOD) == (version >= SEALED_SINCE))
		return true;
	log_error("%s is torn, or nothing that lbd has written: where that output belongs is not "
		  "known, and what its worker wrote without an lbd may be lost",
		  path);
	return false;
}

int output_target_open(const char *fifo, char **text)
{
	struct error ignored;
	char path[PATH_MAX];
	size_t length;
	int err, fd;

	*text = NULL;
	path_of(fifo, path);
	err = read_file("", path, geteuid(), NOTE_BYTES_MAX, text, &length, &ignored);
	if (err)
		return err;
	fd = open(fifo, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	if (!err && is_whole(path, *text, length))
		return fd;
	free(*text);
	*text = NULL;
	return err ? err : fd;
}

/* Whether there is something short for it. */
static bool open_one(const char *dir, const char *note,
		     void (*each)(void *arg, int fd, const char *fifo, char *note), void *arg)
{
	const char *dot = strrchr(note, '.');
	char fifo[2 * PATH_MAX], *text;
	int fd;

	if (!dot || strcmp(dot, SUFFIX))
		return false;
	snprintf(fifo, sizeof(fifo), "%s/%.*s", dir, (int)(dot - note), note);
	fd = output_target_open(fifo, &text);
	if (fd < 0)
		return is_shortage(fd);
	each(arg, fd, fifo, text);
	free(text);
	return false;
}

bool output_each_fifo(const char *run_dir,
		      void (*each)(void *arg, int fd, const char *fifo, char *note), void *arg)
{
	char dir[PATH_MAX];
	struct dirent *entry;
	bool is_short = false;
	DIR *entries;

	snprintf(dir, sizeof(dir), "%s/output", run_dir);
	entries = opendir(dir);
	if (!entries)
		return !is_shortage(-errno);
	while ((entry = readdir(entries)))
		is_short |= open_one(dir, entry->d_name, each, arg);
	closedir(entries);
	return !is_short;
}
