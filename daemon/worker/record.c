/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/record.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own_dir.h"
#include "base/read_file.h"
#include "base/seal.h"
#include "host/cgroup/cgroup.h"
#include "host/process/process.h"
#include "host/process/process_life.h"

enum { VERSION = 3, SEALED_SINCE = 3, TEXT_BYTES = 1024 };

static int read_boot(char boot[40])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	int err = 0;

	if (!file)
		return -errno;
	if (fscanf(file, "%39s", boot) != 1)
		err = -EIO;
	fclose(file);
	return err;
}

int record_identify(struct record *record)
{
	int err = process_start_ticks(record->pid, &record->start_ticks);

	return err ? err : read_boot(record->boot);
}

static void name_path(char path[PATH_MAX], const char *run_dir, const char *name)
{
	snprintf(path, PATH_MAX, "%s/workers/%s", run_dir, name);
}

static void print_record(FILE *file, const void *arg)
{
	const struct record *record = arg;

	fprintf(file, "lbd-worker %d\npid %d\nstart %llu\nboot %s\n", VERSION, record->pid,
		(unsigned long long)record->start_ticks, record->boot);
	fprintf(file, "stdout %llu %llu\nstderr %llu %llu\n",
		(unsigned long long)record->log_mark.inode,
		(unsigned long long)record->log_mark.size,
		(unsigned long long)record->err_mark.inode,
		(unsigned long long)record->err_mark.size);
	fprintf(file,
		"listen %llu %llu\nready %d\nunheard %d\nsettings %llu\nfiles %llu\ncgroup "
		"%s\n",
		(unsigned long long)record->listen_inodes[0],
		(unsigned long long)record->listen_inodes[1], record->ready, record->unheard,
		(unsigned long long)record->settings, (unsigned long long)record->files,
		record->cgroup);
}

/* A second place, which lasts as long as the processes do.  All may read it: without the fingerprints. */
static void mark_group(const struct record *record)
{
	struct record shown = *record;
	size_t length;
	char *text;

	shown.settings = shown.files = 0;
	text = seal_text(print_record, &shown, &length);
	if (text)
		cgroup_mark(record->cgroup, text);
	free(text);
}

int record_write(const char *run_dir, const char *name, const struct record *record)
{
	char path[PATH_MAX];
	struct error ignored;
	int err;

	snprintf(path, sizeof(path), "%s/workers", run_dir);
	err = own_dir_make(path);
	if (err)
		return err;
	name_path(path, run_dir, name);
	/* What it runs with may be guessed from the fingerprints, a password in its environment too. */
	err = seal_publish(path, print_record, record, &ignored);
	if (!err && *record->cgroup)
		mark_group(record);
	return err;
}

bool record_is_written(const char *run_dir, const char *name, const struct record *record)
{
	char path[PATH_MAX];

	name_path(path, run_dir, name);
	return seal_is_as_written(path, print_record, record);
}

static void take_field(struct record *record, const char *key, const char *value)
{
	unsigned long long numbers[2] = {0};

	sscanf(value, "%llu %llu", &numbers[0], &numbers[1]);
	if (!strcmp(key, "pid")) {
		record->pid = (pid_t)numbers[0];
	} else if (!strcmp(key, "start")) {
		record->start_ticks = numbers[0];
	} else if (!strcmp(key, "boot")) {
		snprintf(record->boot, sizeof(record->boot), "%s", value);
	} else if (!strcmp(key, "listen")) {
		record->listen_inodes[0] = numbers[0];
		record->listen_inodes[1] = numbers[1];
	} else if (!strcmp(key, "stdout")) {
		record->log_mark = (struct tail_mark){numbers[0], numbers[1]};
	} else if (!strcmp(key, "stderr")) {
		record->err_mark = (struct tail_mark){numbers[0], numbers[1]};
	} else if (!strcmp(key, "ready")) {
		record->ready = numbers[0];
	} else if (!strcmp(key, "unheard")) {
		record->unheard = numbers[0];
	} else if (!strcmp(key, "settings")) {
		record->settings = numbers[0];
	} else if (!strcmp(key, "files")) {
		record->files = numbers[0];
	} else if (!strcmp(key, "cgroup")) {
		snprintf(record->cgroup, sizeof(record->cgroup), "%s", value);
	}
}

/* Of version 1 there is neither a first nor a last line. */
static int parse_record(char *text, struct record *record, unsigned long *version)
{
	bool ended = false;

	*version = 1;
	for (char *line; !ended && (line = strsep(&text, "\n"));) {
		char *value = line + strcspn(line, " ");

		if (*value)
			*value++ = 0;
		ended = !strcmp(line, "end");
		if (!strcmp(line, "lbd-worker"))
			*version = strtoul(value, NULL, 10);
		else
			take_field(record, line, value);
	}
	return (*version == 2 && !ended) || record->pid <= 1 || !*record->boot ? -EINVAL : 0;
}

static int read_record(char *text, size_t length, struct record *record)
{
	enum seal seal = seal_cut(text, length);
	unsigned long version;
	int err;

	memset(record, 0, sizeof(*record));
	if (seal == SEAL_BROKEN)
		return -EINVAL;
	err = parse_record(text, record, &version);
	if (seal == SEAL_GOOD && version > VERSION)
		return -EPROTO;
	return (seal == SEAL_GOOD) != (version >= SEALED_SINCE) ? -EINVAL : err;
}

static int read_named(const char *path, struct record *record)
{
	struct error ignored;
	size_t length;
	char *text;
	int err = read_file("", path, geteuid(), TEXT_BYTES, &text, &length, &ignored);

	memset(record, 0, sizeof(*record));
	if (err)
		return err == -EFBIG ? -EINVAL : err;
	err = read_record(text, length, record);
	free(text);
	return err;
}

static bool is_none(int err)
{
	return err == -ENOENT || err == -EINVAL;
}

static int read_mark(const char *path, struct record *record)
{
	char text[TEXT_BYTES];
	int err = cgroup_read_mark(path, text, sizeof(text));

	memset(record, 0, sizeof(*record));
	if (err == -ENODATA || err == -ENOTSUP || (!err && !*text))
		return -ENOENT;
	return err ? err : read_record(text, strlen(text), record);
}

/* One that runs before one that does not: they have groups of their own, see cgroup_make(). */
static int read_marks(const char *groups, const char *name, struct record *record)
{
	char path[PATH_MAX];
	bool found = false;

	for (unsigned n = 0; n < CGROUP_NAMES; n++) {
		struct record one;
		int err = cgroup_nth(groups, name, n, path) ? -ENOENT : read_mark(path, &one);
		int alive = err ? err : record_alive(&one);

		if (is_none(err))
			continue;
		if (alive < 0)
			return alive;
		if (!found || alive)
			*record = one;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

int record_read(const char *run_dir, const char *groups, const char *name, struct record *record)
{
	char path[PATH_MAX];
	int err;

	name_path(path, run_dir, name);
	err = read_named(path, record);
	if (is_none(err) && groups) {
		int marks_err = read_marks(groups, name, record);

		record->is_torn = err == -EINVAL;
		err = is_none(marks_err) ? err : marks_err;
	}
	return err;
}

bool record_is_there(const char *run_dir, const char *name)
{
	char path[PATH_MAX];

	name_path(path, run_dir, name);
	return !access(path, F_OK);
}

void record_remove(const char *run_dir, const char *name)
{
	char path[PATH_MAX];

	name_path(path, run_dir, name);
	unlink(path);
}

int record_alive(const struct record *record)
{
	struct process_stat stat;
	uint64_t start_ticks;
	char boot[40];
	int err = read_boot(boot);

	if (err)
		return err;
	if (strcmp(boot, record->boot) != 0)
		return 0;
	err = process_stat(record->pid, &stat);
	if (!err && (stat.state == 'Z' || stat.state == 'X'))
		return 0;
	if (!err)
		err = process_start_ticks(record->pid, &start_ticks);
	if (err)
		return err == -ESRCH ? 0 : err;
	return start_ticks == record->start_ticks;
}

bool record_is_of_this_boot(const struct record *record)
{
	char boot[40];

	return !read_boot(boot) && !strcmp(boot, record->boot);
}

bool record_reused(const struct record *record)
{
	uint64_t start_ticks;

	return !record_is_of_this_boot(record) ||
	       (!process_start_ticks(record->pid, &start_ticks) &&
		start_ticks != record->start_ticks);
}

/* Names are gathered first: each() may remove what readdir(3) is about to show. */
int record_each(const char *run_dir, void (*each)(void *arg, const char *name), void *arg)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int count;

	snprintf(path, sizeof(path), "%s/workers", run_dir);
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name, *dot = strrchr(name, '.');

		if (*name != '.' && (!dot || strcmp(dot, ".new")))
			each(arg, name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static void note_any(void *arg, const char *name)
{
	(void)name;
	*(bool *)arg = true;
}

bool record_any(const char *run_dir)
{
	bool found = false;

	return record_each(run_dir, note_any, &found) || found;
}
