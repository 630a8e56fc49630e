// SPDX-License-Identifier: Apache-2.0
#include "static/answer/listing.h"

#include "static/answer/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ENTRIES_MAX = 10000 };

struct entry {
	char *name;
	bool directory;
	unsigned long long size;
	time_t modified;
};

/* Of which directory, for whom. */
struct scope {
	const struct site *site;
	const struct found *directory;
	const struct address *client;
};

struct entries {
	struct entry *list;
	size_t count, room;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->directory != y->directory)
		return x->directory ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int add_entry(struct entries *entries, const char *name, const struct stat *stat)
{
	struct entry *list, *entry;

	if (entries->count == entries->room) {
		entries->room = entries->room ? entries->room * 2 : 64;
		list = realloc(entries->list, entries->room * sizeof(*list));
		if (!list)
			return -ENOMEM;
		entries->list = list;
	}
	entry = &entries->list[entries->count];
	*entry = (struct entry){strdup(name), S_ISDIR(stat->st_mode), stat->st_size,
				stat->st_mtim.tv_sec};
	if (!entry->name)
		return -ENOMEM;
	entries->count++;
	return 0;
}

/* A link is shown as what it leads to, if that may be served. */
static bool stat_entry(const struct scope *scope, const char *path, const char *name,
		       struct stat *stat)
{
	if (fstatat(scope->directory->fd, name, stat, AT_SYMLINK_NOFOLLOW))
		return false;
	if (S_ISLNK(stat->st_mode) && lookup_stat(scope->site, path, stat))
		return false;
	return S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode);
}

/*
 * What would be refused is not listed either: dotfiles, what is neither file nor directory, and what
 * the rules keep from this client.
 */
static int read_entry(const struct scope *scope, const char *name, struct entries *entries)
{
	const struct options *options = scope->site->options;
	const char *directory = scope->directory->path;
	char path[PATH_BYTES];
	struct stat stat;
	int len;

	if (!strcmp(name, ".") || !strcmp(name, "..") ||
	    (*name == '.' && !options->dotfiles && strcmp(name, ".well-known")))
		return 0;
	len = snprintf(path, sizeof(path), "%s%s", directory, name);
	if (entries->count == ENTRIES_MAX || len >= PATH_BYTES - 1 || /* a slash may follow */
	    !stat_entry(scope, path, name, &stat))
		return 0;
	if (S_ISDIR(stat.st_mode))
		memcpy(path + len, "/", 2);
	if (!guard_lists(options, directory, path, scope->client))
		return 0;
	return add_entry(entries, name, &stat);
}

static int read_entries(const struct scope *scope, struct entries *entries)
{
	int copy = openat(scope->directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *directory = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *dirent;

	if (!directory) {
		err = -errno;
		if (copy >= 0)
			close(copy);
		return err;
	}
	while (!err && (dirent = readdir(directory)))
		err = read_entry(scope, dirent->d_name, entries);
	closedir(directory);
	if (entries->count)
		qsort(entries->list, entries->count, sizeof(*entries->list), compare_entries);
	return err;
}

static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void put_size(FILE *out, unsigned long long size)
{
	static const char units[] = "KMGTP";
	double scaled = size;
	int unit = -1;

	for (; scaled >= 1024 && unit < 4; unit++)
		scaled /= 1024;
	if (unit < 0)
		fprintf(out, "%llu B", size);
	else
		fprintf(out, "%.1f %ciB", scaled, units[unit]);
}

static void put_entry(FILE *out, const struct entry *entry)
{
	const char *slash = entry->directory ? "/" : "";
	char name[3 * NAME_MAX + 8], date[32];
	struct tm tm;

	target_encode(entry->name, name, sizeof(name));
	gmtime_r(&entry->modified, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
	fputs("<tr><td><a href=\"./", out);
	put_text(out, name);
	fprintf(out, "%s\">", slash);
	put_text(out, entry->name);
	fprintf(out, "%s</a><td>", slash);
	if (!entry->directory)
		put_size(out, entry->size);
	fprintf(out, "<td>%s\n", date);
}

static void put_page(FILE *out, const char *path, const struct entries *entries)
{
	fputs("<!doctype html>\n<meta charset=utf-8>\n"
	      "<meta name=viewport content=\"width=device-width\">\n<title>",
	      out);
	put_text(out, path);
	fputs("</title>\n<style>\n"
	      ":root{color-scheme:light dark}\n"
	      "body{font:1em/1.6 system-ui,sans-serif;margin:2em auto;max-width:50em;padding:0 "
	      "1em}\n"
	      "h1{font-size:1.3em;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}"
	      "\n"
	      "td,th{padding:.25em .6em;text-align:left;border-bottom:1px solid #8884}\n"
	      "td:nth-child(n+2){white-space:nowrap;color:#888;font-variant-numeric:tabular-nums}\n"
	      "td:nth-child(2),th:nth-child(2){text-align:right}\n"
	      "a{text-decoration:none;overflow-wrap:anywhere}a:hover{text-decoration:underline}\n"
	      "</style>\n<h1>",
	      out);
	put_text(out, path);
	fputs("</h1>\n<table>\n<tr><th>Name<th>Size<th>Modified (UTC)\n", out);
	if (strcmp(path, "/"))
		fputs("<tr><td><a href=\"../\">../</a><td><td>\n", out);
	for (size_t i = 0; i < entries->count; i++)
		put_entry(out, &entries->list[i]);
	fputs("</table>\n", out);
}

int listing_make(const struct site *site, const char *title, const struct found *directory,
		 const struct address *client, char **html, size_t *len)
{
	struct scope scope = {site, directory, client};
	struct entries entries = {0};
	FILE *out = NULL;
	int err = read_entries(&scope, &entries);

	if (!err && !(out = open_memstream(html, len)))
		err = -errno;
	if (!err)
		put_page(out, title, &entries);
	if (out && fclose(out) && !err)
		err = -ENOMEM;
	for (size_t i = 0; i < entries.count; i++)
		free(entries.list[i].name);
	free(entries.list);
	return err;
}
