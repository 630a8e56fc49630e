/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Where the member is not the word or the place in lower case. */
static const struct {
	const char *token, *member;
} members[] = {
	{"ADDR:PORT", "address"},   {"IFACE", "interface"}, {"SIG", "signal"},
	{"native|generic", "mode"}, {"tcp", "protocol"},    {"-f", "follow"},
	{"VERB", "verbs"},
};

static void copy_bytes(char *to, const char *from, size_t length)
{
	assert(length < USAGE_NAME_BYTES);
	memcpy(to, from, length);
	to[length] = 0;
}

/* `tcp`: a word that says it by itself. */
static bool is_value(const char *word)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (!strcmp(word, members[i].token))
			return true;
	return false;
}

static void name_member(struct usage_item *item)
{
	const char *token = item->word[0] ? item->word : item->place;

	item->flag = !item->place[0] && !strchr(item->word, '|');
	copy_bytes(item->member, token, strlen(token));
	for (char *at = item->member; *at; at++)
		*at = tolower((unsigned char)*at);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		if (strcmp(token, members[i].token))
			continue;
		copy_bytes(item->member, members[i].member, strlen(members[i].member));
		item->flag &= token[0] == '-';
	}
}

/* Reads one token of an item and returns what follows it. */
static const char *parse_token(const char *text, struct usage_item *item)
{
	size_t length = strcspn(text, " ]");
	bool repeated = length > 3 && !strncmp(text + length - 3, "...", 3);

	item->repeated |= repeated;
	copy_bytes(isupper((unsigned char)*text) ? item->place : item->word, text,
		   length - (repeated ? 3 : 0));
	return text + length;
}

void usage_parse(const char *text, struct usage *usage)
{
	*usage = (struct usage){0};
	for (text += strspn(text, " "); *text; text += strspn(text, " ]")) {
		struct usage_item *item = &usage->items[usage->count++];

		assert(usage->count <= USAGE_ITEMS);
		item->optional = *text == '[';
		text = parse_token(text + item->optional, item);
		/* `weight N`: a word takes the value that follows it. */
		if (item->word[0] && text[0] == ' ' && isupper((unsigned char)text[1]) &&
		    !is_value(item->word))
			text = parse_token(text + 1, item);
		name_member(item);
	}
}

static bool is_one_of(const char *words, const char *word)
{
	size_t length = strlen(word);
	const char *at = words;

	while (length && (at = strstr(at, word))) {
		if ((at == words || at[-1] == '|') && (!at[length] || at[length] == '|'))
			return true;
		at++;
	}
	return false;
}

/* Only the shape: what a value may be is lbd's to say. */
static bool has_shape(const char *place, const char *word)
{
	if (!strcmp(place, "FILE") && !strcmp(word, "-"))
		return true;
	if (!*word || *word == '-')
		return false;
	if (!strcmp(place, "ADDR:PORT"))
		return strchr(word, ':');
	if (!strcmp(place, "POOL"))
		return !strchr(word, ':');
	return true;
}

struct matcher {
	const struct usage *usage;
	char *const *words;
	size_t count;
	struct usage_match *match;
};

static void expect_word(const struct matcher *m, size_t word, size_t item, bool value)
{
	struct usage_match *match = m->match;

	if (word < match->reached)
		return;
	if (word > match->reached) {
		match->reached = word;
		match->word_allowed = match->value_allowed = 0;
	}
	if (value)
		match->value_allowed |= 1U << item;
	else
		match->word_allowed |= 1U << item;
}

/* How many words the item takes from `word` on; 0: it does not fit. */
static size_t take_item(const struct matcher *m, size_t i, size_t word)
{
	const struct usage_item *item = &m->usage->items[i];
	size_t value = word + (item->word[0] && item->place[0]);

	expect_word(m, word, i, !item->word[0]);
	if (word >= m->count || (item->word[0] && !is_one_of(item->word, m->words[word])))
		return 0;
	if (item->place[0]) {
		expect_word(m, value, i, true);
		if (value >= m->count || !has_shape(item->place, m->words[value]))
			return 0;
	}
	m->match->at[i] = value;
	if (item->repeated)
		expect_word(m, m->count, i, true);
	return item->repeated ? m->count - word : value + 1 - word;
}

/* DANGER: a value that could come after a word of ours would take the next such word: a pool `wait`. */
static bool may_come(const struct matcher *m, size_t k, size_t end)
{
	if (m->match->at[k] >= 0)
		return false;
	if (m->usage->items[k].word[0])
		return true;
	for (size_t later = k + 1; later < end; later++)
		if (m->match->at[later] >= 0)
			return false;
	return true;
}

/* Tries every sentence: there are few items, and at most one reading of most. */
static bool match_from(const struct matcher *m, size_t i, size_t word)
{
	const struct usage_item *items = m->usage->items;
	size_t end = i, taken;

	if (i == m->usage->count) {
		if (word == m->count)
			return true;
		expect_word(m, word, USAGE_ITEMS, false);
		return false;
	}
	while (end < m->usage->count && items[end].optional)
		end++;
	if (end == i) {
		taken = take_item(m, i, word);
		return taken && match_from(m, i + 1, word + taken);
	}
	for (size_t k = i; k < end; k++) {
		if (!may_come(m, k, end))
			continue;
		taken = take_item(m, k, word);
		if (taken && match_from(m, i, word + taken))
			return true;
		m->match->at[k] = -1;
	}
	return match_from(m, end, word);
}

bool usage_match(const struct usage *usage, char *const *words, size_t count,
		 struct usage_match *match)
{
	struct matcher m = {usage, words, count, match};

	*match = (struct usage_match){0};
	for (size_t i = 0; i < USAGE_ITEMS; i++)
		match->at[i] = -1;
	return match_from(&m, 0, 0);
}

static json_t *member_value(const struct usage_item *item, int at, char *const *words, size_t count)
{
	json_t *list;

	if (item->flag)
		return json_true();
	if (!item->repeated)
		return json_string(words[at]);
	list = json_array();
	for (size_t i = at; i < count; i++)
		json_array_append_new(list, json_string(words[i]));
	return list;
}

int usage_members(const struct usage *usage, const struct usage_match *match, char *const *words,
		  size_t count, json_t *message)
{
	for (size_t i = 0; i < usage->count; i++) {
		const struct usage_item *item = &usage->items[i];

		if (match->at[i] >= 0 &&
		    json_object_set_new(message, item->member,
					member_value(item, match->at[i], words, count)))
			return -ENOMEM;
	}
	return 0;
}

void usage_describe(const struct usage *usage, const struct usage_match *match, char *text,
		    size_t size)
{
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < usage->count && used < size; i++) {
		const struct usage_item *item = &usage->items[i];

		if (match->word_allowed & 1U << i)
			used += snprintf(text + used, size - used, "%s`%s`", used ? " or " : "",
					 item->word);
		else if (match->value_allowed & 1U << i)
			used += snprintf(text + used, size - used, "%s%s", used ? " or " : "",
					 item->place);
	}
}
