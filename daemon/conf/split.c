/* SPDX-License-Identifier: Apache-2.0 */
/* A command as words, by the quoting rules of a shell. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/table.h"

struct splitter {
	const char *at;
	char *word; /* room for all that is left */
	size_t length;
};

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Up to the closing quote; -EINVAL when there is none. */
static int read_quoted(struct splitter *splitter)
{
	char quote = *splitter->at++;

	for (; *splitter->at && *splitter->at != quote; splitter->at++) {
		/* Within double quotes a backslash is one only before these. */
		if (quote == '"' && splitter->at[0] == '\\' && splitter->at[1] &&
		    strchr("\"\\$`", splitter->at[1]))
			splitter->at++;
		splitter->word[splitter->length++] = *splitter->at;
	}
	return *splitter->at++ == quote ? 0 : -EINVAL;
}

static int read_word(struct splitter *splitter)
{
	splitter->length = 0;
	while (*splitter->at && !is_blank(*splitter->at)) {
		if (*splitter->at == '"' || *splitter->at == '\'') {
			if (read_quoted(splitter))
				return -EINVAL;
			continue;
		}
		if (splitter->at[0] == '\\' && splitter->at[1])
			splitter->at++;
		splitter->word[splitter->length++] = *splitter->at++;
	}
	splitter->word[splitter->length] = '\0';
	return 0;
}

/* Adds a copy, and the NULL at the end. */
static int add_word(char ***words, size_t count, const char *word)
{
	char **larger = reallocarray(*words, count + 2, sizeof(**words));

	if (!larger)
		return -ENOMEM;
	*words = larger;
	larger[count] = strdup(word);
	if (!larger[count])
		return -ENOMEM;
	larger[count + 1] = NULL;
	return 0;
}

static int split_text(struct splitter *splitter, char ***words)
{
	size_t count = 0;
	int code = 0;

	while (!code) {
		while (is_blank(*splitter->at))
			splitter->at++;
		if (!*splitter->at)
			break;
		code = read_word(splitter);
		if (!code)
			code = add_word(words, count++, splitter->word);
	}
	return code;
}

int conf_split(const char *text, char ***words, struct error *error)
{
	struct splitter splitter = {.at = text, .word = malloc(strlen(text) + 1)};
	int code = -ENOMEM;

	*words = calloc(1, sizeof(**words));
	if (splitter.word && *words)
		code = split_text(&splitter, words);
	free(splitter.word);
	if (!code)
		return 0;
	conf_words_free(*words);
	*words = NULL;
	if (code == -EINVAL)
		return error_set(error, code,
				 "\"%.80s\" has a quote that is never closed; close it, or put a "
				 "backslash before it",
				 text);
	return error_set(error, code, "out of memory");
}

void conf_words_free(char **words)
{
	for (char **word = words; word && *word; word++)
		free(*word);
	free(words);
}
