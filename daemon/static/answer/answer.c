// SPDX-License-Identifier: Apache-2.0
#include "static/answer/answer.h"

#include "static/answer/fields.h"
#include "static/answer/guard.h"
#include "static/answer/listing.h"
#include "static/answer/status.h"
#include "static/http/date.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384 };

/* What an answer is known by, as in struct answer. */
struct names {
	struct slice key;
	const char *path, *served;
};

/* A head being made, in a buffer that all share: there is one thread. */
struct draft {
	char etag[ETAG_BYTES], entity[1024];
	struct writer common_writer, entity_writer;
	char common[HEAD_BYTES];
};

void answer_ref(struct answer *answer)
{
	answer->refs++;
}

void answer_unref(struct answer *answer)
{
	if (!answer || --answer->refs)
		return;
	if (answer->fd >= 0)
		close(answer->fd);
	free(answer);
}

void answer_stamp(struct answer *answer, const char *date)
{
	memcpy((char *)answer->ready.at + STATUS_DATE_AT, date, DATE_BYTES);
}

/* Copies text behind what was copied before, with a NUL. */
static struct slice append_text(char **at, const char *text, size_t len)
{
	struct slice slice = {*at, len};

	if (len)
		memcpy(*at, text, len);
	(*at)[len] = '\0';
	*at += len + 1;
	return slice;
}

/*
 * One block of memory: the answer, its key, paths and etag, then the ready response.  Content of
 * body_bytes is left for the caller to fill in.
 */
static struct answer *assemble_answer(int status, const struct names *names, struct slice etag,
				      struct slice common, struct slice entity, uint64_t size,
				      size_t body_bytes)
{
	static const char no_date[DATE_BYTES + 1] = "                             ";
	char start[128], length[64];
	struct writer head = {.at = start, .room = sizeof(start)};
	size_t served_bytes = names->served ? strlen(names->served) + 1 : 0, length_bytes, bytes;
	struct answer *answer;
	char *at;

	status_write(&head, status, no_date);
	length_bytes = snprintf(length, sizeof(length), "Content-Length: %llu\r\n\r\n",
				(unsigned long long)size);
	bytes = sizeof(*answer) + names->key.len + strlen(names->path) + served_bytes + etag.len +
		3 + head.len + common.len + entity.len + length_bytes + body_bytes;
	answer = malloc(bytes);
	if (!answer)
		return NULL;
	memset(answer, 0, sizeof(*answer));
	answer->refs = 1;
	answer->fd = -1;
	answer->status = status;
	answer->size = size;
	answer->bytes = bytes;
	at = (char *)(answer + 1);
	answer->key = append_text(&at, names->key.at, names->key.len);
	answer->path = (char *)append_text(&at, names->path, strlen(names->path)).at;
	if (served_bytes)
		answer->served = (char *)append_text(&at, names->served, served_bytes - 1).at;
	answer->etag = append_text(&at, etag.at, etag.len);
	answer->ready.at = at;
	at = mempcpy(at, start, head.len);
	answer->common = (struct slice){at, common.len};
	at = mempcpy(at, common.at, common.len);
	answer->entity = (struct slice){at, entity.len};
	at = mempcpy(at, entity.at, entity.len);
	at = mempcpy(at, length, length_bytes);
	answer->ready.len = at - answer->ready.at;
	answer->body = body_bytes ? at : NULL;
	return answer;
}

/* Content made here: a listing or an error's page. */
static struct answer *make_page(const struct site *site, int status, const struct names *names,
				const char *html, size_t len)
{
	static struct draft draft;
	struct found none = {.fd = -1};
	struct answer *answer;

	draft.common_writer = (struct writer){.at = draft.common, .room = sizeof(draft.common)};
	draft.entity_writer = (struct writer){.at = draft.entity, .room = sizeof(draft.entity)};
	if (status < 400)
		fields_write_common(&draft.common_writer, site, names->path, &none,
				    (struct slice){0});
	else
		fields_write_error(&draft.common_writer);
	write_text(&draft.entity_writer, "Content-Type: text/html; charset=utf-8\r\n");
	answer = assemble_answer(status, names, (struct slice){"", 0},
				 (struct slice){draft.common, draft.common_writer.len},
				 (struct slice){draft.entity, draft.entity_writer.len}, len, len);
	if (answer && len)
		memcpy((char *)answer->body, html, len);
	if (answer)
		answer->type = "text/html";
	return answer;
}

static struct answer *make_error_page(const struct site *site, int status)
{
	struct names none = {.key = {"", 0}, .path = ""};
	char html[512];
	int len = snprintf(html, sizeof(html),
			   "<!doctype html>\n<meta charset=utf-8>\n<meta name=viewport "
			   "content=\"width=device-width\">\n<title>%d %s</title>\n"
			   "<body style=\"font:1.1em/1.5 system-ui,sans-serif;margin:12vh auto;"
			   "max-width:32em;padding:0 1em\">\n<h1>%d</h1>\n<p>%s</p>\n",
			   status, status_text(status), status, status_text(status));

	return make_page(site, status, &none, html, len);
}

/* The slash is missing: the client is sent to the path with it, whatever host name it used. */
static struct answer *make_redirect(const struct site *site, const struct names *names)
{
	char html[] = "<!doctype html>\n<title>301 Moved Permanently</title>\n<p>Moved.</p>\n";
	struct answer *answer = make_page(site, 301, names, html, sizeof(html) - 1);

	if (answer)
		answer->lasting = true;
	return answer;
}

/* Not kept where access rules are: then it is made for one client, and not for the next. */
static struct answer *make_listing(const struct site *site, const struct names *names,
				   struct found *found, const struct address *client)
{
	char *html = NULL;
	size_t len = 0;
	int err = listing_make(site, names->path, found, client, &html, &len);
	struct answer *answer;

	close(found->fd);
	answer = err ? answer_error(site, 500) : make_page(site, 200, names, html, len);
	free(html);
	if (answer && !err) {
		answer->lasting = !site->options->rules.first[RULE_ACCESS];
		answer->replaces = true;
	}
	return answer;
}

/* Reads a whole file; false if it is not of this size any more. */
static bool read_whole(int fd, char *out, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(fd, out + done, size - done, done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += got;
	}
	return true;
}

/* Whether the file was not changed since it was looked at. */
static bool is_same(int fd, uint64_t size, const struct timespec *modified)
{
	struct stat now;

	return !fstat(fd, &now) && (uint64_t)now.st_size == size &&
	       now.st_mtim.tv_sec == modified->tv_sec && now.st_mtim.tv_nsec == modified->tv_nsec;
}

bool answer_holds(const struct answer *answer)
{
	return answer->fd < 0 || is_same(answer->fd, answer->size, &answer->modified);
}

/* Takes found->fd. A small file that holds still is copied and closed; any other stays open. */
static void take_content(struct answer *answer, struct found *found)
{
	if (answer->body && read_whole(found->fd, (char *)answer->body, answer->size) &&
	    is_same(found->fd, answer->size, &answer->modified)) {
		close(found->fd);
		return;
	}
	answer->body = NULL;
	answer->fd = found->fd;
}

static struct answer *make_file(const struct site *site, int status, const struct names *names,
				struct found *found)
{
	static struct draft draft;
	uint64_t size = found->stat.st_size;
	const char *type = mime_find(site->mime, found->path);
	bool small = size <= site->options->limits.memory_bytes;
	struct slice etag = {draft.etag, 0};
	struct answer *answer;

	draft.common_writer = (struct writer){.at = draft.common, .room = sizeof(draft.common)};
	draft.entity_writer = (struct writer){.at = draft.entity, .room = sizeof(draft.entity)};
	if (status == 200) {
		etag.len = fields_etag(found, draft.etag);
		fields_write_common(&draft.common_writer, site, names->path, found, etag);
	} else {
		fields_write_error(&draft.common_writer);
	}
	fields_write_entity(&draft.entity_writer, site, names->path, found, type);
	answer = assemble_answer(status, names, etag,
				 (struct slice){draft.common, draft.common_writer.len},
				 (struct slice){draft.entity, draft.entity_writer.len}, size,
				 small ? size : 0);
	if (!answer) {
		close(found->fd);
		return NULL;
	}
	answer->modified = found->stat.st_mtim;
	answer->type = type;
	answer->lasting = status == 200;
	answer->coded = found->coding != 0;
	if (size)
		take_content(answer, found);
	else
		close(found->fd);
	return answer;
}

struct answer *answer_error(const struct site *site, int status)
{
	const struct rule *rule = rules_find_status(&site->options->rules, status);
	struct found found;
	struct names names = {.key = {"", 0}, .path = found.path};
	struct answer *answer = NULL;

	if (rule) {
		lookup_page(site, rule->argument[0], &found);
		if (found.status == 200)
			answer = make_file(site, status, &names, &found);
	}
	if (!answer)
		answer = make_error_page(site, status);
	if (answer)
		answer->replaces = true;
	return answer;
}

struct answer *answer_make(const struct site *site, const char *path, struct slice key,
			   unsigned codings, const struct address *client)
{
	struct names names = {key, path, NULL};
	const struct options *options = site->options;
	struct answer *answer;
	struct found found;

	lookup(site, path, codings, &found);
	if (found.status == 200 && strcmp(found.path, path))
		names.served = found.path;
	if (found.status == 301)
		answer = make_redirect(site, &names);
	else if (found.status != 200)
		answer = answer_error(site, found.status);
	else if (found.listing)
		answer = make_listing(site, &names, &found, client);
	else
		answer = make_file(site, 200, &names, &found);
	if (answer)
		answer->guarded = guard_concerns(options, path) ||
				  (names.served && guard_concerns(options, names.served));
	return answer;
}
