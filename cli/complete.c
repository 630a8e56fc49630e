/* SPDX-License-Identifier: Apache-2.0 */
#include "complete.h"

#include <dirent.h>
#include <stdbool.h>
#include <string.h>

#include "client.h"
#include "lb/ctl.h"
#include "usage.h"
#include "verbs_find.h"

static void print_members(const struct cli *cli, const json_t *list, const char *key)
{
	json_t *object;
	size_t i;

	json_array_foreach(list, i, object)
	{
		const char *text = json_string_value(json_object_get(object, key));

		if (text)
			fprintf(cli->out, "%s\n", text);
	}
}

static void print_pools(const struct cli *cli, char **words, int count)
{
	json_t *pools = client_ask(cli, "pool"), *pool;
	size_t i;

	(void)words, (void)count;
	json_array_foreach(pools, i, pool)
	{
		const char *name = json_string_value(json_object_get(pool, "pool"));

		if (name && !json_is_true(json_object_get(pool, "gone")))
			fprintf(cli->out, "%s\n", name);
	}
	json_decref(pools);
}

/* Of the pool that was named already, or of all. */
static void print_addresses(const struct cli *cli, char **words, int count)
{
	json_t *pools = client_ask(cli, "pool"), *pool, *named = NULL;
	size_t i;

	json_array_foreach(pools, i, pool)
	{
		const char *name = json_string_value(json_object_get(pool, "pool"));

		for (int k = 0; name && k < count; k++)
			named = strcmp(name, words[k]) ? named : pool;
	}
	json_array_foreach(pools, i, pool)
	{
		if (!named || named == pool)
			print_members(cli, json_object_get(pool, "backends"), "address");
	}
	json_decref(pools);
}

/* Of one worker alone these verbs tell. */
static bool takes_one(const char *verb)
{
	return !strcmp(verb, "tail") || !strcmp(verb, "pid");
}

static void print_workers(const struct cli *cli, bool one)
{
	json_t *workers = client_ask(cli, "worker"), *worker;
	char last[64] = "";
	size_t i;

	print_members(cli, workers, "name");
	if (one) {
		json_decref(workers);
		return;
	}
	json_array_foreach(workers, i, worker)
	{
		const char *name = json_string_value(json_object_get(worker, "name"));
		size_t length = name ? strcspn(name, ":") : 0;

		if (length && length < sizeof(last) && strncmp(name, last, length + 1)) {
			snprintf(last, sizeof(last), "%.*s:", (int)length, name);
			fprintf(cli->out, "%s*\n", last);
		}
	}
	fputs("all\n", cli->out);
	json_decref(workers);
}

static void print_names(const struct cli *cli, char **words, int count)
{
	json_t *services;

	if (strcmp(words[0], "service")) {
		print_workers(cli, takes_one(words[0]));
	} else if (count > 1 && !strcmp(words[1], "remove")) {
		services = client_ask(cli, "service");
		print_members(cli, services, "service");
		json_decref(services);
	}
}

static void print_interface_names(const struct cli *cli, char **words, int count)
{
	DIR *directory;
	struct dirent *entry;
	json_t *status;

	(void)count;
	if (!strcmp(words[0], "detach")) {
		status = client_ask(cli, "status");
		print_members(cli, json_object_get(status, "interfaces"), "interface");
		json_decref(status);
		return;
	}
	directory = opendir("/sys/class/net");
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			fprintf(cli->out, "%s\n", entry->d_name);
	}
	if (directory)
		closedir(directory);
}

static void print_signals(const struct cli *cli, char **words, int count)
{
	(void)words, (void)count;
	fputs("HUP\nINT\nQUIT\nKILL\nUSR1\nUSR2\nTERM\nSTOP\nCONT\n", cli->out);
}

static void print_files(const struct cli *cli, char **words, int count)
{
	(void)words, (void)count;
	fputs(":files\n", cli->out);
}

static void print_users(const struct cli *cli, char **words, int count)
{
	(void)words, (void)count;
	fputs(":users\n", cli->out);
}

static void print_values(const struct cli *cli, const char *place, char **words, int count)
{
	static const struct {
		const char *place;
		void (*print)(const struct cli *cli, char **words, int count);
	} sources[] = {
		{"POOL", print_pools},  {"ADDR:PORT", print_addresses},
		{"NAME", print_names},  {"IFACE", print_interface_names},
		{"SIG", print_signals}, {"FILE", print_files},
		{"USER", print_users},
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		if (!strcmp(place, sources[i].place))
			sources[i].print(cli, words, count);
	}
}

static void print_alternatives(const struct cli *cli, const char *words)
{
	for (; *words; words++)
		fputc(*words == '|' ? '\n' : *words, cli->out);
	fputc('\n', cli->out);
}

/* The next word of each name that begins with the words. */
static void print_verbs(const struct cli *cli, char **words, int count)
{
	char last[32] = "";

	for (const struct verb *verb = verbs; verb->name; verb++) {
		const char *rest = verbs_rest(verb->name, words, count);
		char next[sizeof(last)];

		if (!rest || !*rest)
			continue;
		snprintf(next, sizeof(next), "%.*s", (int)strcspn(rest, " "), rest);
		if (!strcmp(next, last))
			continue;
		memcpy(last, next, sizeof(last));
		fprintf(cli->out, "%s\n", last);
	}
}

static void print_next(const struct cli *cli, char **words, int count)
{
	size_t used;
	const struct verb *verb = verbs_find(words, count, &used);
	struct usage_match match;
	struct usage usage;

	print_verbs(cli, words, count);
	if (!verb)
		return;
	usage_parse(verb->usage, &usage);
	usage_match(&usage, words + used, count - used, &match);
	if (match.reached < count - used)
		return;
	for (size_t i = 0; i < usage.count; i++) {
		if (match.word_allowed & 1U << i)
			print_alternatives(cli, usage.items[i].word);
		if (match.value_allowed & 1U << i)
			print_values(cli, usage.items[i].place, words, count);
	}
}

/* Those that have a directory here, running or not. */
static void print_instances(const struct cli *cli)
{
	DIR *directory = opendir(cli->run_directory);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
			fprintf(cli->out, "%s\n", entry->d_name);
	if (directory)
		closedir(directory);
}

int complete_print(struct cli *cli, char **words, int count)
{
	int kept = 0;

	if (count > 1 && !strcmp(words[count - 2], "-n")) {
		print_instances(cli);
		return LB_CTL_DONE;
	}
	for (int i = 0; i < count - 1; i++) {
		if (!strcmp(words[i], "-n"))
			cli->instance = i + 1 < count - 1 ? words[++i] : cli->instance;
		else if (strcmp(words[i], "-j"))
			words[kept++] = words[i];
	}
	if (count)
		print_next(cli, words, kept);
	return LB_CTL_DONE;
}
