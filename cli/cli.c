/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/name.h"
#include "client.h"
#include "complete.h"
#include "lb/ctl.h"
#include "succession.h"
#include "usage.h"
#include "verbs_find.h"

static int unknown_verb(const struct cli *cli, char *const *words, size_t count)
{
	const char *nearest = verbs_nearest(words, count);
	bool two = count > 1 && nearest && strchr(nearest, ' ');

	if (!count)
		return cli_fail(cli, LB_CTL_USAGE, "a verb is missing; `lbctl help` lists all");
	if (nearest)
		return cli_fail(cli, LB_CTL_USAGE,
				"unknown verb `%s%s%s`; did you mean `%s`? `lbctl help` lists all",
				words[0], two ? " " : "", two ? words[1] : "", nearest);
	return cli_fail(cli, LB_CTL_USAGE, "unknown verb `%s`; `lbctl help` lists all", words[0]);
}

static int wrong_words(const struct cli *cli, const struct verb *verb, const struct usage *usage,
		       const struct usage_match *match, char *const *words, size_t count)
{
	char wanted[256];

	usage_describe(usage, match, wanted, sizeof(wanted));
	if (match->reached >= count)
		return cli_fail(cli, LB_CTL_USAGE, "%s: %s is missing; usage: lbctl %s %s",
				verb->name, wanted, verb->name, verb->usage);
	return cli_fail(cli, LB_CTL_USAGE, "%s: `%s` found%s%s; usage: lbctl %s%s%s", verb->name,
			words[match->reached], *wanted ? " where it takes " : ", which is too much",
			wanted, verb->name, *verb->usage ? " " : "", verb->usage);
}

static void show_json(const struct cli *cli, const json_t *data, json_t *message)
{
	json_t *shown = data ? json_incref((json_t *)data) : json_pack("{s:O}", "message", message);

	json_dumpf(shown, cli->out,
		   JSON_INDENT(2) | JSON_ENCODE_ANY | (cli->terminal ? JSON_ENSURE_ASCII : 0));
	fputc('\n', cli->out);
	json_decref(shown);
}

static int show_reply(const struct cli *cli, const struct verb *verb, const json_t *request,
		      const json_t *reply)
{
	const json_t *data = json_object_get(reply, "data");
	json_t *message = json_object_get(reply, "message");
	int code = LB_CTL_DONE;

	if (cli->json && (data || message))
		show_json(cli, data, message);
	if (data && (!cli->json || verb->render == render_workers)) {
		struct cli silent = *cli;
		FILE *null = cli->json ? fopen("/dev/null", "w") : NULL;

		silent.out = null ? null : cli->out;
		code = (verb->render ? verb->render : render_plain)(&silent, request, data);
		if (null)
			fclose(null);
	}
	if (message && !cli->json) {
		cli_put(cli, message);
		fputc('\n', cli->out);
	}
	return code;
}

static int ask_lbd(const struct cli *cli, const struct verb *verb, const json_t *request)
{
	struct client_call call = {
		.request = request,
		.waits = verb->flags & VERB_WAITS,
		.raw = verb->flags & VERB_RAW,
	};
	json_t *reply = NULL;
	int code, peer = -1;

	if (verb->flags & (VERB_ENDS | VERB_NEXT))
		call.peer = &peer;
	code = client_call(cli, &call, &reply);
	if (code == LB_CTL_DONE)
		code = show_reply(cli, verb, request, reply);
	if (code == LB_CTL_DONE && verb->flags & VERB_ENDS)
		succession_await_end(cli, peer);
	if (code == LB_CTL_DONE && verb->flags & VERB_NEXT)
		code = succession_await_next(cli, peer);
	if (peer >= 0)
		close(peer);
	json_decref(reply);
	return code;
}

static int run_words(const struct cli *cli, char **words, size_t count)
{
	struct usage_match match;
	struct usage usage;
	size_t used;
	const struct verb *verb = verbs_find(words, count, &used);
	json_t *request;
	int code;

	if (!verb)
		return unknown_verb(cli, words, count);
	usage_parse(verb->usage, &usage);
	if (!usage_match(&usage, words + used, count - used, &match)) {
		/* `pool ad 127.0.0.1:80`: a slip in the verb, rather than in what `pool` takes */
		const char *nearest = used == 1 && count > 1 ? verbs_nearest(words, count) : NULL;

		if (nearest && strchr(nearest, ' '))
			return unknown_verb(cli, words, count);
		return wrong_words(cli, verb, &usage, &match, words + used, count - used);
	}
	request = json_pack("{s:s}", "verb", verb->name);
	if (!request || usage_members(&usage, &match, words + used, count - used, request))
		code = cli_fail(cli, LB_CTL_USAGE, "%s: a word is no UTF-8", verb->name);
	else if (verb->flags & VERB_HELPS)
		code = verbs_help(cli, words + used, count - used);
	else
		code = verb->run ? verb->run(cli, request) : ask_lbd(cli, verb, request);
	json_decref(request);
	return code;
}

/* `tail NAME -n 5`, as tail(1) has it, and not an instance: of one named 5 no lbd would answer. */
static bool means_lines(char *const *words, size_t used, const char *value)
{
	return used && !strcmp(words[0], "tail") && *value && !value[strspn(value, "0123456789")];
}

/* Options may stand anywhere; words that begin with `-` but are none of ours belong to a verb. */
static int take_options(struct cli *cli, char **arguments, int count, char **words, size_t *used,
			bool *help)
{
	struct error error;

	*used = 0;
	for (int i = 0; i < count; i++) {
		const char *word = arguments[i];

		if (!strcmp(word, "-j"))
			cli->json = true;
		else if (!strcmp(word, "-h") || !strcmp(word, "--help"))
			*help = true;
		else if (!strcmp(word, "--version"))
			words[(*used)++] = (char *)"version";
		else if (!strcmp(word, "-n") && i + 1 < count &&
			 means_lines(words, *used, arguments[i + 1]))
			return cli_fail(cli, LB_CTL_USAGE,
					"tail: `-n %s` found, and it takes no number of lines: it "
					"shows the last 20; of an instance named %s: lbctl -n %s "
					"tail ...",
					arguments[i + 1], arguments[i + 1], arguments[i + 1]);
		else if (!strcmp(word, "-n") && i + 1 < count)
			cli->instance = arguments[++i];
		else if (!strcmp(word, "-n"))
			return cli_fail(cli, LB_CTL_USAGE,
					"-n: the name of an instance is missing");
		else if (!*used && *word == '-')
			return cli_fail(cli, LB_CTL_USAGE,
					"unknown option `%s`; there are -n INSTANCE, -j, -h, "
					"--version",
					word);
		else
			words[(*used)++] = arguments[i];
	}
	if (name_check_instance(cli->instance, &error))
		return cli_fail(cli, LB_CTL_USAGE, "-n: %s", error.text);
	return LB_CTL_DONE;
}

static int help_about(const struct cli *cli, char **words, size_t count)
{
	size_t used;

	verbs_find(words, count, &used);
	return verbs_help(cli, words, used);
}

int cli_run(struct cli *cli, char **arguments, int count)
{
	char **words;
	bool help = false;
	size_t used;
	int code;

	if (count && !strcmp(arguments[0], "--complete"))
		return complete_print(cli, arguments + 1, count - 1);
	words = calloc(count + 1, sizeof(*words));
	if (!words)
		return cli_fail(cli, LB_CTL_REFUSED, "no memory");
	code = take_options(cli, arguments, count, words, &used, &help);
	if (code == LB_CTL_DONE)
		code = help ? help_about(cli, words, used) : run_words(cli, words, used);
	free(words);
	if (fflush(cli->out) || ferror(cli->out))
		code = cli_fail(cli, LB_CTL_REFUSED, "cannot write what was asked for");
	return code;
}
