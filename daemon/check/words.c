/* SPDX-License-Identifier: Apache-2.0 */
#include "check/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A wildcard may match nothing on purpose; or its files have been moved, and what they said is gone. */
static void warn_unmatched(void *arg, const struct block *include)
{
	const struct launch_warn *warn = arg;
	struct error error;

	error_set(&error, 0, "include %.200s (%.200s:%u): matches no file", include->words[1],
		  include->file, include->line);
	warn->tell(warn->arg, error.text);
}

static bool any_word(char *const *list, bool (*found)(const char *text, const char *word),
		     const char *word)
{
	for (; *list; list++)
		if (found(*list, word))
			return true;
	return false;
}

static bool has_place(const char *text, const char *unused)
{
	(void)unused;
	return conf_differs(text);
}

static bool has_word(const char *text, const char *word)
{
	return strstr(text, word) != NULL;
}

/* One worker alone may be told its port by number, or by a file. */
static bool may_know_port(const struct conf_worker *worker)
{
	char port[8];

	if (worker->inherit || conf_differs(worker->command) || conf_differs(worker->directory) ||
	    any_word(worker->environment, has_place, NULL) ||
	    any_word(worker->environment_files, has_place, NULL))
		return true;
	snprintf(port, sizeof(port), "%u", worker->first_port);
	return worker->count == 1 &&
	       (*worker->environment_files || has_word(worker->command, port) ||
		any_word(worker->environment, has_word, port));
}

/* It may have it from elsewhere, as from a file of its own. */
static void warn_portless(const struct conf_pool *pool, const struct launch_warn *warn)
{
	const struct conf_worker *worker = pool->worker;
	struct error error;
	char last[16] = "";

	if (may_know_port(worker))
		return;
	if (worker->count > 1)
		snprintf(last, sizeof(last), "-%u", worker->first_port + worker->count - 1);
	error_set(&error, 0,
		  "pool %s: nothing tells its workers to listen on port %u%s: add $port to "
		  "`command` or `environment`, or `listen inherit;`",
		  pool->name, worker->first_port, last);
	warn->tell(warn->arg, error.text);
}

static const char *shell_word(char *const *words)
{
	static const char *const shell[] = {"|",  "||",  "&",    "&&",  ";",  "<", ">", ">>",
					    "2>", "2>>", "2>&1", ">&2", "&>", "`", NULL};

	for (; *words; words++)
		for (const char *const *at = shell; *at; at++)
			if (!strcmp(*words, *at))
				return *words;
	return NULL;
}

static void warn_shell(const struct conf_pool *pool, const char *what, const char *command,
		       const struct launch_warn *warn)
{
	struct error error;
	char **words;
	const char *word;

	if (!command || conf_split(command, &words, &error))
		return;
	word = shell_word(words);
	if (word) {
		error_set(
			&error, 0,
			"pool %s: %s: \"%s\" is an argument like any other, as no shell reads the "
			"command; where one is to: sh -c '...'",
			pool->name, what, word);
		warn->tell(warn->arg, error.text);
	}
	conf_words_free(words);
}

void conf_warn_words(const struct conf *conf, const struct launch_warn *warn)
{
	block_each_unmatched(conf->root, warn_unmatched, (void *)warn);
	for (size_t i = 0; i < conf->pool_count; i++) {
		const struct conf_pool *pool = &conf->pools[i];

		warn_shell(pool, "health exec", pool->health.command, warn);
		if (!pool->worker)
			continue;
		warn_portless(pool, warn);
		warn_shell(pool, "command", pool->worker->command, warn);
		warn_shell(pool, "before_start", pool->worker->before_start, warn);
		warn_shell(pool, "after_stop", pool->worker->after_stop, warn);
	}
}
