// SPDX-License-Identifier: Apache-2.0
#include "static/answer/condition.h"

#include "static/http/date.h"

/*
 * Takes one entity-tag, a comma behind it too; its opaque part with quotes goes to tag.  Tags may
 * contain commas, so a list of them cannot be cut at commas.
 */
static bool take_tag(struct slice *rest, struct slice *tag, bool *weak)
{
	const char *end;

	while (rest->len && strchr(" \t,", *rest->at)) {
		rest->at++;
		rest->len--;
	}
	*weak = rest->len > 2 && rest->at[0] == 'W' && rest->at[1] == '/';
	if (*weak) {
		rest->at += 2;
		rest->len -= 2;
	}
	if (!rest->len || *rest->at != '"')
		return false;
	end = memchr(rest->at + 1, '"', rest->len - 1);
	if (!end)
		return false;
	*tag = (struct slice){rest->at, end + 1 - rest->at};
	rest->len -= tag->len;
	rest->at = end + 1;
	return true;
}

/* Ours is strong: a weak tag matches it only where weak comparison is meant (RFC 9110, 8.8.3.2). */
static bool list_names(struct slice list, struct slice etag, bool weak_will_do)
{
	struct slice tag;
	bool weak;

	if (slice_is(list, "*"))
		return true;
	while (take_tag(&list, &tag, &weak))
		if (tag.len == etag.len && !memcmp(tag.at, etag.at, tag.len) &&
		    (!weak || weak_will_do))
			return true;
	return false;
}

static bool condition_fails(const struct request *request, const struct validators *validators)
{
	struct slice match = request->field[FIELD_IF_MATCH];
	struct slice since = request->field[FIELD_IF_UNMODIFIED_SINCE];
	time_t time;

	if (match.len)
		return !list_names(match, validators->etag, false);
	time = since.len ? date_parse(since) : -1;
	return time != -1 && validators->modified > time;
}

static bool is_unmodified(const struct request *request, const struct validators *validators)
{
	struct slice match = request->field[FIELD_IF_NONE_MATCH];
	struct slice since = request->field[FIELD_IF_MODIFIED_SINCE];
	time_t time;

	if (match.len)
		return list_names(match, validators->etag, true);
	time = since.len ? date_parse(since) : -1;
	return time != -1 && validators->modified <= time;
}

int condition_check(const struct request *request, const struct validators *validators)
{
	if (condition_fails(request, validators))
		return 412;
	return is_unmodified(request, validators) ? 304 : 0;
}

bool condition_allows_range(const struct request *request, const struct validators *validators)
{
	struct slice value = request->field[FIELD_IF_RANGE], rest = value, tag;
	bool weak;

	if (!value.at)
		return true;
	if (take_tag(&rest, &tag, &weak))
		return !weak && tag.len == validators->etag.len &&
		       !memcmp(tag.at, validators->etag.at, tag.len);
	return value.len && date_parse(value) == validators->modified;
}
