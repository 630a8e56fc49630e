// SPDX-License-Identifier: Apache-2.0
#include "static/answer/fields.h"

#include "static/http/date.h"
#include "static/options/pattern.h"

static struct slice name_of(const char *line)
{
	return (struct slice){line, strcspn(line, ":")};
}

/* The last rule for a field name that matches the path: its pattern's lines are the ones sent. */
static const struct rule *last_for(const struct site *site, const char *path, struct slice name)
{
	const struct rule *found = NULL;

	for (const struct rule *rule = site->options->rules.first[RULE_HEADER]; rule;
	     rule = rule->next) {
		struct slice other = name_of(rule->argument[0]);

		if (other.len == name.len && !strncasecmp(other.at, name.at, name.len) &&
		    pattern_match(rule->pattern, path))
			found = rule;
	}
	return found;
}

static bool is_said(const struct site *site, const char *path, const char *name)
{
	return last_for(site, path, slice_of(name)) != NULL;
}

static bool is_content_type(const struct rule *rule)
{
	return slice_is_nocase(name_of(rule->argument[0]), "Content-Type");
}

static void write_line(struct writer *writer, const struct rule *rule)
{
	write_text(writer, rule->argument[0]);
	write_text(writer, "\r\n");
}

/* Lines are sent as they stand; of one name, those of the last pattern that matches. */
static void write_rules(struct writer *writer, const struct site *site, const char *path)
{
	for (const struct rule *rule = site->options->rules.first[RULE_HEADER]; rule;
	     rule = rule->next) {
		const struct rule *last;

		if (is_content_type(rule) || !pattern_match(rule->pattern, path))
			continue;
		last = last_for(site, path, name_of(rule->argument[0]));
		if (!strcmp(last->pattern, rule->pattern))
			write_line(writer, rule);
	}
}

static void write_expires(struct writer *writer, const struct site *site, const char *path)
{
	const struct rule *rule = rules_find(&site->options->rules, RULE_EXPIRES, path);

	if (!rule || rule->seconds < 0 || is_said(site, path, "Cache-Control"))
		return;
	if (rule->seconds)
		write_format(writer, "Cache-Control: max-age=%ld\r\n", rule->seconds);
	else
		write_text(writer, "Cache-Control: no-cache\r\n");
}

size_t fields_etag(const struct found *found, char out[ETAG_BYTES])
{
	struct writer writer = {.at = out, .room = ETAG_BYTES};
	const struct stat *stat = &found->stat;

	write_format(&writer, "\"%llx-%llx%s\"",
		     (unsigned long long)stat->st_mtim.tv_sec * 1000000000ULL +
			     stat->st_mtim.tv_nsec,
		     (unsigned long long)stat->st_size,
		     found->coding & CODING_BR     ? "-br"
		     : found->coding & CODING_ZSTD ? "-zst"
		     : found->coding & CODING_GZIP ? "-gz"
						   : "");
	return writer.len;
}

static void write_date(struct writer *writer, time_t time)
{
	char date[DATE_BYTES];

	date_format(date, time);
	write_bytes(writer, date, DATE_BYTES);
}

void fields_write_common(struct writer *writer, const struct site *site, const char *path,
			 const struct found *found, struct slice etag)
{
	if (!is_said(site, path, "Server"))
		write_text(writer, "Server: lbstatic\r\n");
	if (etag.len) {
		write_text(writer, "Last-Modified: ");
		write_date(writer, found->stat.st_mtim.tv_sec);
		write_text(writer, "\r\nETag: ");
		write_slice(writer, etag);
		write_text(writer, "\r\nAccept-Ranges: bytes\r\n");
	}
	if (found->varies && !is_said(site, path, "Vary"))
		write_text(writer, "Vary: Accept-Encoding\r\n");
	if (!is_said(site, path, "X-Content-Type-Options"))
		write_text(writer, "X-Content-Type-Options: nosniff\r\n");
	write_expires(writer, site, path);
	write_rules(writer, site, path);
}

void fields_write_error(struct writer *writer)
{
	write_text(writer, "Server: lbstatic\r\nX-Content-Type-Options: nosniff\r\n");
}

void fields_write_entity(struct writer *writer, const struct site *site, const char *path,
			 const struct found *found, const char *type)
{
	const struct rule *rule = last_for(site, path, slice_of("Content-Type"));
	const char *charset = site->options->charset;

	if (rule) {
		write_line(writer, rule);
	} else {
		write_format(writer, "Content-Type: %s", type);
		if (charset && mime_is_text(type))
			write_format(writer, "; charset=%s", charset);
		write_text(writer, "\r\n");
	}
	for (unsigned i = 0; i < CODINGS; i++)
		if (found->coding & 1U << i)
			write_format(writer, "Content-Encoding: %s\r\n", coding_names[i]);
}
