// SPDX-License-Identifier: Apache-2.0
#include "static/site/lookup.h"

#include "static/options/pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *const coding_names[CODINGS] = {"br", "zstd", "gzip"};
static const char *const coding_suffixes[CODINGS] = {".br", ".zst", ".gz"};

size_t lookup_suffix_bytes(const char *path)
{
	size_t len = strlen(path);

	for (unsigned i = 0; i < CODINGS; i++) {
		size_t bytes = strlen(coding_suffixes[i]);

		if (len > bytes && !strcmp(path + len - bytes, coding_suffixes[i]) &&
		    path[len - bytes - 1] != '/')
			return bytes;
	}
	return 0;
}

static int status_of(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
	case ELOOP: /* a link, where they are not followed */
	case EXDEV: /* a link to outside */
		return 404;
	case EACCES:
	case EPERM:
	case ENXIO: /* a socket */
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return 503;
	}
	return 500;
}

/*
 * The directory that a path is served from, and what is left of the path in it: of an alias for a
 * prefix what follows the prefix, else the whole.
 */
static int base_of(const struct site *site, const char *path, const char **rest)
{
	const struct rule *alias = rules_find(&site->options->rules, RULE_ALIAS, path);
	size_t len = alias && pattern_is_prefix(alias->pattern) ? strlen(alias->pattern) : 0;

	if (len && alias->pattern[len - 1] == '/')
		len--;
	*rest = path + len;
	while (**rest == '/')
		++*rest;
	if (!**rest)
		*rest = ".";
	return alias ? alias->directory : site->root;
}

/* suffix: of a sibling of the path, which lies beside it also where its own name would be elsewhere. */
static int open_beneath(const struct site *site, const char *path, const char *suffix, int flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	char name[PATH_BYTES];
	const char *rest;
	int base = base_of(site, path, &rest), fd, tries = 3;

	if ((size_t)snprintf(name, sizeof(name), "%s%s", rest, suffix) >= sizeof(name))
		return -ENAMETOOLONG;
	if (!site->options->symlinks)
		how.resolve |= RESOLVE_NO_SYMLINKS;
	do {
		fd = syscall(SYS_openat2, base, name, &how, sizeof(how));
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR) && tries--); /* a rename raced it */
	return fd < 0 ? -errno : fd;
}

/*
 * Opens path, or its sibling, and looks at it: found->fd and stat are set on 200 alone.  O_NONBLOCK: a
 * FIFO must not hold the whole server up before it is seen to be one.
 */
static int open_sibling(const struct site *site, const char *path, const char *suffix,
			struct found *found)
{
	int fd = open_beneath(site, path, suffix, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return status_of(-fd);
	if (fstat(fd, &found->stat)) {
		close(fd);
		return 500;
	}
	found->fd = fd;
	return 200;
}

static int open_path(const struct site *site, const char *path, struct found *found)
{
	int status = open_sibling(site, path, "", found);

	if (status == 200 && path != found->path)
		snprintf(found->path, sizeof(found->path), "%s", path);
	return status;
}

static void drop_found(struct found *found)
{
	if (found->fd >= 0)
		close(found->fd);
	found->fd = -1;
}

static int open_index(const struct site *site, const char *path, struct found *found)
{
	const struct options *options = site->options;
	char name[PATH_BYTES];

	for (unsigned i = 0; i < options->indexes; i++) {
		struct found inner = {.fd = -1};

		if ((size_t)snprintf(name, sizeof(name), "%s%s", path, options->index[i]) >=
		    sizeof(name))
			continue;
		if (open_path(site, name, &inner) != 200)
			continue;
		if (S_ISREG(inner.stat.st_mode)) {
			drop_found(found);
			*found = inner;
			return 200;
		}
		drop_found(&inner);
	}
	found->listing = options->listing;
	if (found->listing)
		return 200;
	drop_found(found);
	return 403;
}

/* What a path is: a file, a directory with its index or listing, or a status. */
static int open_whole(const struct site *site, const char *path, struct found *found)
{
	int status = open_path(site, path, found);

	if (status != 200 || S_ISREG(found->stat.st_mode))
		return status;
	if (!S_ISDIR(found->stat.st_mode)) {
		drop_found(found);
		return 403;
	}
	if (path[strlen(path) - 1] == '/')
		return open_index(site, path, found);
	drop_found(found);
	return 301;
}

/*
 * $uri at the front of a try_files candidate stands for the path.  What follows it lengthens a name and
 * makes none: $uri.html of a directory would be its dotfile, $uri.. the directory above.
 */
static bool expand_candidate(const char *candidate, const char *path, char out[PATH_BYTES])
{
	bool whole = !strncmp(candidate, "$uri", 4);
	const char *rest = whole ? candidate + 4 : candidate;
	size_t len = strlen(path);

	if (whole && len && path[len - 1] == '/') {
		if (*rest == '.')
			return false;
		if (*rest == '/')
			rest++;
	}
	return (size_t)snprintf(out, PATH_BYTES, "%s%s", whole ? path : "", rest) < PATH_BYTES;
}

/* A candidate counts when it is a file, or, with a slash at its end, a directory with something. */
static int try_files(const struct site *site, const struct rule *rule, const char *path,
		     struct found *found)
{
	char name[PATH_BYTES];

	for (unsigned i = 0; i < rule->arguments; i++) {
		const char *candidate = rule->argument[i];
		int status;

		if (*candidate == '=')
			return candidate[3] == '3' ? 403 : 404;
		if (!expand_candidate(candidate, path, name))
			continue;
		status = open_whole(site, name, found);
		if (status == 200 && !strcmp(candidate, "$uri/") && path[strlen(path) - 1] != '/') {
			drop_found(found); /* relative links in it need the slash */
			return 301;
		}
		if (status == 200 || status == 503)
			return status;
	}
	return 404;
}

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/*
 * Takes the most wanted sibling that is at least as new as the file itself.  All are looked for, wanted
 * or not: Vary must be the same on every answer for a path.
 */
static void use_sibling(const struct site *site, unsigned codings, struct found *found)
{
	const struct timespec modified = found->stat.st_mtim;

	for (unsigned i = 0; i < CODINGS; i++) {
		struct found sibling = {.fd = -1};

		if (open_sibling(site, found->path, coding_suffixes[i], &sibling) != 200)
			continue;
		if (!S_ISREG(sibling.stat.st_mode) || is_newer(&modified, &sibling.stat.st_mtim)) {
			drop_found(&sibling);
			continue;
		}
		found->varies = true;
		if (found->coding || !(codings & 1U << i)) {
			drop_found(&sibling);
			continue;
		}
		drop_found(found);
		found->fd = sibling.fd;
		found->stat = sibling.stat;
		found->coding = 1U << i;
	}
}

int lookup_stat(const struct site *site, const char *path, struct stat *stat)
{
	int fd = open_beneath(site, path, "", O_PATH), err;

	if (fd < 0)
		return fd;
	err = fstat(fd, stat) ? -errno : 0;
	close(fd);
	return err;
}

void lookup_page(const struct site *site, const char *path, struct found *found)
{
	*found = (struct found){.fd = -1};
	found->status = open_whole(site, path, found);
	if (found->status == 200 && !found->listing)
		return;
	drop_found(found);
	found->status = 404;
}

void lookup(const struct site *site, const char *path, unsigned codings, struct found *found)
{
	const struct rules *rules = &site->options->rules;
	const struct rule *rule;

	*found = (struct found){.fd = -1, .status = 404};
	if (!site->options->dotfiles && target_is_hidden(path))
		return;
	rule = rules_find(rules, RULE_TRY_FILES, path);
	found->status = rule ? try_files(site, rule, path, found) : open_whole(site, path, found);
	if (found->status == 404 && (rule = rules_find(rules, RULE_FALLBACK, path)))
		lookup_page(site, rule->argument[0], found);
	if (found->status == 200 && !found->listing && site->options->precompressed)
		use_sibling(site, codings, found);
}
