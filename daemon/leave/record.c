/* SPDX-License-Identifier: Apache-2.0 */
#include "leave/record.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/own_dir.h"
#include "base/read_file.h"
#include "base/seal.h"
#include "block/files.h"
#include "conf/running.h"
#include "worker/worker.h"

enum { VERSION = 2, SEALED_SINCE = 2, FILE_BYTES_MAX = 16 << 20 };

#define HEAD "# lbd-leaving "

struct text {
	const struct backend *backend;
	const struct block *root;
};

static void dir_of(const struct model *model, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/leaving", model->host->run_dir);
}

static void path_of(const struct backend *backend, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/leaving/%u", backend->model->host->run_dir, backend->id);
}

static void print_record(FILE *file, const void *arg)
{
	const struct text *text = arg;
	const struct backend *backend = text->backend;
	char endpoint[ADDR_TEXT_BYTES];

	fprintf(file, HEAD "%d %u %" PRIu32 " %" PRIu64 " %d %s\n", VERSION, backend->id,
		backend->generation, backend->leave.until_us, backend->worker != NULL,
		addr_format_endpoint(&backend->endpoint, endpoint));
	block_print_whole(text->root, file);
}

static int write_words(struct block *parent, const char *const *words)
{
	struct block *known = block_find(parent, (const char *const[]){*words, NULL});

	if (known)
		return block_set_words(known, words);
	return block_append(parent, false, words) ? 0 : -ENOMEM;
}

/* As it is to end, and not as its pool had it. */
static int write_ending(struct block *pool, const struct worker *worker)
{
	struct block *block = block_find(pool, (const char *const[]){"worker", NULL});
	struct worker_ending ending = worker_ending(worker);
	char timeout[24];
	int err;

	if (!block)
		return 0;
	snprintf(timeout, sizeof(timeout), "%" PRIu32 "ms", ending.timeout_ms);
	err = write_words(block,
			  (const char *const[]){"stop_signal", sigabbrev_np(ending.signal), NULL});
	return err ? err : write_words(block, (const char *const[]){"stop_timeout", timeout, NULL});
}

/* The pool, and what else its workers go by, in a tree of its own.  NULL: out of memory. */
static struct block *clone_pool(const struct backend *backend, const char *name)
{
	const struct conf_pool *pool = backend->pool->conf;
	struct block *root = NULL, *copy = block_clone(pool->at);
	struct error ignored;

	if (!copy || block_parse(name, "", 0, &root, &ignored))
		goto failed;
	if (pool->worker) {
		const char *const log[] = {"log_directory", pool->worker->log_directory, NULL};

		if (!block_append(root, false, log))
			goto failed;
	}
	if (backend->worker && write_ending(copy, backend->worker))
		goto failed;
	block_adopt(root, copy);
	return root;
failed:
	block_free(copy);
	block_free(root);
	return NULL;
}

void leave_record_write(const struct backend *backend)
{
	struct text text = {.backend = backend};
	struct error error = {0};
	char path[PATH_MAX];
	struct block *root;

	dir_of(backend->model, path);
	own_dir_make(path); /* what is wrong with it shows at once */
	path_of(backend, path);
	text.root = root = clone_pool(backend, path);
	if (!root)
		error_set(&error, -ENOMEM, "%s: out of memory", path);
	else
		seal_publish(path, print_record, &text, &error);
	if (*error.text)
		log_warning("%s; should lbd die before %s has ended, the next one ends it at once",
			    error.text, backend->name);
	block_free(root);
}

bool leave_record_is_there(const struct backend *backend)
{
	char path[PATH_MAX];

	path_of(backend, path);
	return !access(path, F_OK);
}

void leave_record_remove(const struct backend *backend)
{
	char path[PATH_MAX];

	path_of(backend, path);
	unlink(path);
}

/* Names are gathered first: each() may remove what readdir(3) is about to show. */
static int each_name(const struct model *model, void (*each)(void *arg, const char *path),
		     void *arg)
{
	char dir[PATH_MAX], path[2 * PATH_MAX];
	struct dirent **entries;
	int count;

	dir_of(model, dir);
	count = scandir(dir, &entries, NULL, alphasort);
	if (count < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		if (*entries[i]->d_name != '.')
			each(arg, path);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static void sweep_one(void *arg, const char *path)
{
	const struct model *model = arg;
	char own[PATH_MAX];

	for (const struct backend *at = model->leaving; at; at = at->next) {
		path_of(at, own);
		if (!strcmp(own, path))
			return;
	}
	unlink(path);
}

void leave_record_sweep(const struct model *model)
{
	/* The model is only read.  What cannot be listed now is swept with the next change. */
	each_name(model, sweep_one, (void *)model);
}

static struct conf_backend *find_backend(const struct conf *conf, const char *endpoint,
					 bool supervised)
{
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; conf->pool_count == 1 && i < conf->pools->backend_count; i++) {
		struct conf_backend *at = &conf->pools->backends[i];

		if (at->supervised == supervised &&
		    !strcmp(addr_format_endpoint(&at->endpoint, text), endpoint))
			return at;
	}
	return NULL;
}

static int parse_record(const char *path, char *text, size_t length, struct leave_record *record,
			struct error *error)
{
	enum seal seal = seal_cut(text, length);
	char endpoint[ADDR_TEXT_BYTES];
	int version, is_worker, err;
	_Static_assert(ADDR_TEXT_BYTES >= 64, "for %63s below");

	if (seal == SEAL_BROKEN ||
	    sscanf(text, HEAD "%d %" SCNu16 " %" SCNu32 " %" SCNu64 " %d %63s", &version,
		   &record->place.id, &record->place.generation, &record->until_us, &is_worker,
		   endpoint) != 6 ||
	    version > VERSION || (seal == SEAL_GOOD) != (version >= SEALED_SINCE) ||
	    record->place.id >= LB_MAX_BACKENDS)
		return error_set(error, -EINVAL, "%s is torn, or of another version of lbd", path);
	err = running_build(path, text, path, &record->conf, error);
	if (err)
		return err;
	record->backend = find_backend(record->conf, endpoint, is_worker);
	return record->backend
		       ? 0
		       : error_set(error, -EINVAL, "%s: its pool has no %s", path, endpoint);
}

struct walk {
	struct model *model;
	void (*each)(struct model *model, const struct leave_record *record);
};

static void read_one(void *arg, const char *path)
{
	const struct walk *walk = arg;
	struct leave_record record = {0};
	struct error error;
	size_t length;
	char *text;
	int err = read_file("", path, geteuid(), FILE_BYTES_MAX, &text, &length, &error);

	if (!err) {
		err = parse_record(path, text, length, &record, &error);
		free(text);
	}
	if (err)
		log_warning("%s; what was leaving by it is ended at once", error.text);
	else
		walk->each(walk->model, &record);
	conf_free(record.conf);
}

void leave_record_each(struct model *model,
		       void (*each)(struct model *model, const struct leave_record *record))
{
	struct walk walk = {model, each};
	int err = each_name(model, read_one, &walk);

	if (err)
		log_warning("%s/leaving: %s; what was leaving by it is ended at once",
			    model->host->run_dir, strerror(-err));
}
