// SPDX-License-Identifier: Apache-2.0
#include "static/connection/serve.h"

#include "static/answer/coding.h"
#include "static/answer/guard.h"
#include "static/http/target.h"
#include "static/site/lookup.h"

#include <errno.h>

/* A fresh answer from the cache, with a reference, or NULL. */
static struct answer *find_cached(struct server *server, struct slice path, unsigned codings)
{
	uint64_t valid = server->options->limits.cache_valid_ms;
	uint64_t oldest = server->now_ms > valid ? server->now_ms - valid : 0;
	struct answer *answer = cache_get(&server->cache, path, codings, oldest);

	if (answer && !answer_holds(answer))
		answer = NULL;
	if (answer) {
		server->counters->cache_hits.value++;
		answer_ref(answer);
	} else {
		server->counters->cache_misses.value++;
	}
	return answer;
}

static struct answer *make_answer(struct server *server, struct slice path, const char *decoded,
				  unsigned codings, const struct address *client)
{
	struct answer *answer = answer_make(server->site, decoded, path, codings, client);

	/* Out of descriptors: those that the cache holds open can be spared. */
	while (answer && answer->status == 503 && cache_drop_oldest(&server->cache)) {
		answer_unref(answer);
		answer = answer_make(server->site, decoded, path, codings, client);
	}
	if (answer && answer->lasting)
		cache_put(&server->cache, answer, codings, server->now_ms);
	return answer;
}

/*
 * Who may not have a path does not learn whether there is something: the guard comes first.  It comes
 * again for the file that was found by another name, as an index, by try_files or as a fallback.
 */
static struct answer *find_or_make(struct server *server, const struct request *request,
				   struct slice path, const struct address *client,
				   struct response_facts *facts)
{
	struct visitor visitor = {client, request->field[FIELD_AUTHORIZATION]};
	const struct options *options = server->options;
	unsigned codings =
		options->precompressed ? coding_accepted(request->field[FIELD_ACCEPT_ENCODING]) : 0;
	struct answer *answer = find_cached(server, path, codings);
	char decoded[PATH_BYTES];
	int status = 0;

	if (answer && !answer->guarded)
		return answer;
	if (!answer)
		status = target_decode(path, decoded);
	if (!status)
		status = guard_check(options, answer ? answer->path : decoded, &visitor,
				     &facts->realm);
	if (!status && !answer)
		answer = make_answer(server, path, decoded, codings, client);
	if (!status && answer && answer->served)
		status = guard_check(options, answer->served, &visitor, &facts->realm);
	if (!status)
		return answer;
	answer_unref(answer);
	return answer_error(server->site, status);
}

/* The answer for a request that could be read; *facts learns the query and the realm. */
static struct answer *answer_request(struct server *server, const struct request *request,
				     const struct address *client, struct response_facts *facts)
{
	struct slice path;
	int status;

	if (request->method == METHOD_OTHER)
		return answer_error(server->site, 405);
	if (request->method == METHOD_OPTIONS && slice_is(request->target, "*"))
		return answer_error(server->site, 204);
	status = target_split(request->target, &path, &facts->query);
	if (status)
		return answer_error(server->site, status);
	return find_or_make(server, request, path, client, facts);
}

int serve_request(struct server *server, const struct request *request, int status,
		  const struct address *client, const bool *closes, struct response *response)
{
	struct response_facts facts = {
		.site = server->site,
		.request = request,
		.stays = !*closes,
		.date = server->date,
	};
	int err;

	facts.answer = request ? answer_request(server, request, client, &facts)
			       : answer_error(server->site, status);
	if (!facts.answer)
		return -ENOMEM;
	err = response_make(response, &facts);
	answer_unref(facts.answer);
	return err;
}

void serve_count(struct server *server, int status)
{
	struct counters *counters = server->counters;

	counters->requests.value++;
	if (status < 300)
		counters->responses_2xx.value++;
	else if (status < 400)
		counters->responses_3xx.value++;
	else if (status < 500)
		counters->responses_4xx.value++;
	else
		counters->responses_5xx.value++;
}

void serve_log(const struct server *server, const struct request *request, int status,
	       struct log_request *logged)
{
	logged->status = status;
	logged->time = server->now;
	logged->start_ms = server->now_ms;
	if (!request)
		return;
	logged->line = request->line;
	logged->host = request->field[FIELD_HOST];
	logged->referer = request->field[FIELD_REFERER];
	logged->agent = request->field[FIELD_USER_AGENT];
}
