// SPDX-License-Identifier: Apache-2.0
#include "static/answer/response.h"

#include "static/answer/condition.h"
#include "static/answer/multipart.h"
#include "static/answer/range.h"
#include "static/answer/status.h"
#include "static/http/target.h"

#include <errno.h>
#include <stdlib.h>

enum {
	HEAD_BYTES = 40960, /* the fields of an answer, a Location and some lines */
	SPECIAL = 1U << FIELD_RANGE | 1U << FIELD_IF_RANGE | 1U << FIELD_IF_MATCH |
		  1U << FIELD_IF_NONE_MATCH | 1U << FIELD_IF_MODIFIED_SINCE |
		  1U << FIELD_IF_UNMODIFIED_SINCE,
};

static const char allow_line[] = "Allow: GET, HEAD, OPTIONS\r\n";

/* Most requests: the whole file, its head as it was made. */
static bool take_ready(struct response *response, const struct response_facts *facts)
{
	const struct request *request = facts->request;
	struct answer *answer = facts->answer;

	if (answer->status != 200 || !facts->stays || !request || !request->minor ||
	    request->seen & SPECIAL || request->method == METHOD_OPTIONS)
		return false;
	answer_stamp(answer, facts->date);
	answer_ref(answer);
	response->answer = answer;
	response->status = 200;
	response->head = answer->ready;
	response->to = request->method == METHOD_GET ? answer->size : 0;
	return true;
}

/* Puts an error in the place of the answer. */
static int refuse_request(struct response *response, const struct response_facts *facts, int status)
{
	struct answer *error = answer_error(facts->site, status);

	if (!error)
		return -ENOMEM;
	answer_unref(response->answer);
	response->answer = error;
	response->status = status;
	response->from = 0;
	response->to = error->size;
	return 0;
}

static bool is_conditional(const struct response_facts *facts)
{
	return facts->request && facts->request->seen & SPECIAL && facts->answer->status == 200 &&
	       !facts->answer->replaces;
}

static int decide_conditions(struct response *response, const struct response_facts *facts)
{
	struct validators validators = {facts->answer->etag, facts->answer->modified.tv_sec};
	int status = condition_check(facts->request, &validators);

	if (status == 412)
		return refuse_request(response, facts, status);
	if (status == 304) {
		response->status = status;
		response->to = 0;
	}
	return 0;
}

/* Sets the range or parts, and the status 206 or 416. */
static int decide_ranges(struct response *response, const struct response_facts *facts,
			 struct range *first)
{
	const struct answer *answer = facts->answer;
	struct validators validators = {answer->etag, answer->modified.tv_sec};
	unsigned most = facts->site->options->limits.ranges;
	struct range ranges[RANGES_MAX];
	int count;

	if (response->status != 200 || facts->request->method != METHOD_GET ||
	    !facts->request->field[FIELD_RANGE].len ||
	    !condition_allows_range(facts->request, &validators))
		return 0;
	count = range_parse(facts->request->field[FIELD_RANGE], answer->size, ranges, most);
	if (count == 416)
		return refuse_request(response, facts, 416);
	if (count == 1) {
		*first = ranges[0];
		response->status = 206;
		response->from = first->from;
		response->to = first->to;
	} else if (count > 1 && !answer->coded) { /* parts have no place to say their coding */
		response->parts = multipart_make(answer, ranges, count);
		if (!response->parts)
			return -ENOMEM;
		response->status = 206;
		response->to = 0;
	}
	return 0;
}

static void write_length(struct writer *writer, uint64_t length)
{
	write_text(writer, "Content-Length: ");
	write_number(writer, length);
	write_text(writer, "\r\n");
}

/* The fields that say what the content is. */
static void write_content(struct writer *writer, const struct response *response,
			  const struct response_facts *facts)
{
	const struct answer *answer = response->answer;

	if (response->status == 304 || response->status == 204)
		return;
	if (response->parts) {
		multipart_write_type(writer);
		write_length(writer, multipart_length(response->parts));
		return;
	}
	write_slice(writer, answer->entity);
	if (response->status == 206) {
		write_format(writer, "Content-Range: bytes %llu-%llu/%llu\r\n",
			     (unsigned long long)response->from,
			     (unsigned long long)response->to - 1,
			     (unsigned long long)answer->size);
		write_length(writer, response->to - response->from);
		return;
	}
	if (response->status == 416)
		write_format(writer, "Content-Range: bytes */%llu\r\n",
			     (unsigned long long)facts->answer->size);
	write_length(writer, answer->size);
}

static void write_location(struct writer *writer, const struct response_facts *facts)
{
	static char location[3 * PATH_BYTES];

	target_encode(facts->answer->path, location, sizeof(location));
	write_format(writer, "Location: %s/", location);
	if (facts->query.at) {
		write_text(writer, "?");
		write_slice(writer, facts->query);
	}
	write_text(writer, "\r\n");
}

static void write_extra(struct writer *writer, const struct response *response,
			const struct response_facts *facts)
{
	if (response->status == 301)
		write_location(writer, facts);
	if (response->status == 405 || response->status == 204)
		write_text(writer, allow_line);
	if (response->status == 401)
		write_format(writer, "WWW-Authenticate: Basic realm=\"%s\", charset=\"UTF-8\"\r\n",
			     facts->realm);
	if (!facts->stays)
		write_text(writer, "Connection: close\r\n");
	else if (facts->request && !facts->request->minor)
		write_text(writer, "Connection: keep-alive\r\n");
}

static int write_head(struct response *response, const struct response_facts *facts)
{
	static char head[HEAD_BYTES];
	struct writer writer = {.at = head, .room = sizeof(head)};

	status_write(&writer, response->status, facts->date);
	write_slice(&writer, response->answer->common);
	write_content(&writer, response, facts);
	write_extra(&writer, response, facts);
	write_text(&writer, "\r\n");
	response->head = (struct slice){head, writer.len};
	return writer.full ? -ENOMEM : 0;
}

static int decide_response(struct response *response, const struct response_facts *facts)
{
	struct range range;
	int err = 0;

	if (facts->request && facts->request->method == METHOD_OPTIONS &&
	    facts->answer->status < 300) {
		response->status = 204;
		response->to = 0;
	} else if (is_conditional(facts)) {
		err = decide_conditions(response, facts);
		if (!err)
			err = decide_ranges(response, facts, &range);
	}
	if (facts->request && facts->request->method == METHOD_HEAD)
		response->from = response->to = 0;
	return err ? err : write_head(response, facts);
}

int response_make(struct response *response, const struct response_facts *facts)
{
	int err;

	*response = (struct response){0};
	if (take_ready(response, facts))
		return 0;
	answer_ref(facts->answer);
	response->answer = facts->answer;
	response->status = facts->answer->status;
	response->to = facts->answer->size;
	err = decide_response(response, facts);
	if (err) {
		answer_unref(response->answer);
		free(response->parts);
	}
	return err;
}
