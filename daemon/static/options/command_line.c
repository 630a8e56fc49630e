// SPDX-License-Identifier: Apache-2.0
#include "static/options/command_line.h"

#include "static/options/directives.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 18, HEADERS_BYTES_MAX = 8192 };

/*
 * Takes the next word of a line in place: blanks end it, unless it is in double quotes, in which a
 * backslash takes the next character as it is.  NULL at the end; -EINVAL through err.
 */
static char *take_word(char **line, int *err)
{
	char *at = *line + strspn(*line, " \t\r"), *out, *word;
	bool quoted = *at == '"';

	if (!*at || *at == '#' || (*at == ';' && !at[1]))
		return NULL;
	word = out = quoted ? ++at : at;
	while (*at && (quoted ? *at != '"' : !strchr(" \t\r", *at))) {
		if (quoted && *at == '\\' && at[1])
			at++;
		*out++ = *at++;
	}
	if (quoted && !*at)
		*err = -EINVAL;
	*line = *at ? at + 1 : at;
	*out = '\0';
	return word;
}

/* A line may end with a semicolon, as it would in lbd.conf. */
static void cut_semicolon(char *line)
{
	size_t len = strlen(line);

	while (len && strchr(" \t\r", line[len - 1]))
		len--;
	if (len && line[len - 1] == ';')
		line[len - 1] = '\0';
}

/* The words live with the options: rules point at them. */
static int apply_line(struct options *options, char *line, struct fault *fault)
{
	const char *name, **word;
	unsigned words = 0;
	void **line_words;
	int err = 0;

	cut_semicolon(line);
	name = take_word(&line, &err);
	if (!name)
		return 0;
	line_words = calloc(WORDS_MAX + 1, sizeof(*line_words));
	if (!line_words)
		return fault_set(fault, -ENOMEM, "no memory");
	line_words[0] = options->words;
	options->words = line_words;
	word = (const char **)line_words + 1;
	while (words < WORDS_MAX && !err && (word[words] = take_word(&line, &err)))
		words++;
	if (err)
		return fault_set(fault, err, "%s: a quote without its end", name);
	return directive_apply(options, name, word, words, fault);
}

static int apply_file(struct options *options, const char *path, struct fault *fault)
{
	FILE *file = options->file_text ? NULL : fopen(path, "re");
	struct fault inner = {""};
	size_t room = 0;
	char *rest, *line;
	int err = 0;

	if (options->file_text)
		return fault_set(fault, -EINVAL, "-c %s: one rules file is allowed", path);
	if (!file)
		return fault_set(fault, -errno, "rules file %s: %s", path, strerror(errno));
	if (getdelim(&options->file_text, &room, '\0', file) < 0 && options->file_text)
		*options->file_text = '\0';
	fclose(file);
	rest = options->file_text;
	for (unsigned number = 1; !err && (line = strsep(&rest, "\n")); number++) {
		err = apply_line(options, line, &inner);
		if (err)
			fault_set(fault, err, "%s:%u: %s", path, number, inner.text);
	}
	return err;
}

static const char *long_name(char letter)
{
	static const char *const names[] = {"rroot", "llisten", "Hheader_everywhere", "uuser"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (*names[i] == letter)
			return names[i] + 1;
	return NULL;
}

static bool take_flag(struct options *options, const char *word)
{
	if (!strcmp(word, "-h") || !strcmp(word, "--help"))
		return options->help = true;
	if (!strcmp(word, "-V") || !strcmp(word, "--version"))
		return options->version = true;
	if (!strcmp(word, "-t"))
		return options->test = true;
	return false;
}

/* One option and the words that belong to it, from argv[*i]. */
static int apply_option(struct options *options, char **argv, int argc, int *i, struct fault *fault)
{
	const char *option = argv[*i], *name = NULL;
	const char *const *argument = (const char *const *)argv + *i + 1;
	unsigned arguments = 0, most;

	if (!strcmp(option, "-c")) {
		if (++*i == argc)
			return fault_set(fault, -EINVAL, "-c: expected FILE");
		return apply_file(options, argv[*i], fault);
	}
	if (option[0] == '-' && option[1] == '-')
		name = option + 2;
	else if (option[0] == '-' && option[1] && !option[2])
		name = long_name(option[1]);
	if (!name || !(most = directive_arguments(name)))
		return fault_set(fault, -EINVAL, "unknown option '%s'; see lbstatic --help",
				 option);
	while (arguments < most && *i + 1 < argc && *argv[*i + 1] != '-') {
		++*i;
		arguments++;
	}
	return directive_apply(options, name, argument, arguments, fault);
}

/* A response head is made in a buffer of fixed size. */
static int check_headers(const struct options *options, struct fault *fault)
{
	size_t bytes = 0;

	for (const struct rule *rule = options->rules.first[RULE_HEADER]; rule; rule = rule->next)
		bytes += strlen(rule->argument[0]) + 2;
	return bytes <= HEADERS_BYTES_MAX
		       ? 0
		       : fault_set(fault, -EINVAL, "header: found %zu bytes in all, allowed: %d",
				   bytes, HEADERS_BYTES_MAX);
}

int command_line_read(struct options *options, int argc, char **argv, struct fault *fault)
{
	int err = 0;

	for (int i = 1; i < argc && !err; i++)
		if (!take_flag(options, argv[i]))
			err = apply_option(options, argv, argc, &i, fault);
	if (err || options->help || options->version)
		return err;
	if (!options->root)
		return fault_set(fault, -EINVAL, "no root; say which directory to serve: -r DIR");
	if (options->charset && !strcmp(options->charset, "off"))
		options->charset = NULL;
	return check_headers(options, fault);
}

void command_line_print_help(void)
{
	printf("usage: lbstatic -r DIR -l ADDR:PORT [-H 'Name: value']... [-c FILE] [-t] [--NAME "
	       "ARGUMENT...]...\n"
	       "Serves the files below DIR over HTTP/1.1.  A listener in LISTEN_FDS stands for "
	       "-l.\n\n"
	       "  -c FILE   directives from a file, one on a line   -t   check them and leave\n"
	       "  -h        this help                               -V   the version\n\n"
	       "Directives, as options or in FILE; a PATTERN is /prefix, *.ext or /a*/glob:\n");
	directives_print();
}
