// SPDX-License-Identifier: Apache-2.0
#include "static/options/rules.h"

#include "static/options/auth.h"
#include "static/options/pattern.h"

#include <stdlib.h>
#include <unistd.h>

struct rule *rules_add(struct rules *rules, enum rule_kind kind, const char *pattern)
{
	struct rule *rule = calloc(1, sizeof(*rule));

	if (!rule)
		return NULL;
	rule->pattern = pattern;
	rule->directory = -1;
	if (rules->last[kind])
		rules->last[kind]->next = rule;
	else
		rules->first[kind] = rule;
	rules->last[kind] = rule;
	return rule;
}

void rules_free(struct rules *rules)
{
	for (unsigned kind = 0; kind < RULE_KINDS; kind++) {
		struct rule *rule = rules->first[kind], *next;

		for (; rule; rule = next) {
			next = rule->next;
			if (rule->directory >= 0)
				close(rule->directory);
			users_free(rule->users);
			free(rule);
		}
		rules->first[kind] = rules->last[kind] = NULL;
	}
}

static bool rule_matches(const struct rule *rule, const char *path, const char *other)
{
	return pattern_match(rule->pattern, path) || (other && pattern_match(rule->pattern, other));
}

const struct rule *rules_find_either(const struct rules *rules, enum rule_kind kind,
				     const char *path, const char *other)
{
	const struct rule *found = NULL;

	for (const struct rule *rule = rules->first[kind]; rule; rule = rule->next)
		if (rule_matches(rule, path, other))
			found = rule;
	return found;
}

const struct rule *rules_find(const struct rules *rules, enum rule_kind kind, const char *path)
{
	return rules_find_either(rules, kind, path, NULL);
}

const struct rule *rules_find_status(const struct rules *rules, int status)
{
	const struct rule *found = NULL;

	for (const struct rule *rule = rules->first[RULE_ERROR_PAGE]; rule; rule = rule->next)
		if (rule->status == status)
			found = rule;
	return found;
}

bool rules_allow(const struct rules *rules, const char *path, const char *other,
		 const struct address *client)
{
	const struct rule *best = NULL;
	bool some_allow = false;

	for (const struct rule *rule = rules->first[RULE_ACCESS]; rule; rule = rule->next) {
		if (!rule_matches(rule, path, other))
			continue;
		some_allow |= rule->allows;
		if (prefix_match(&rule->client, client) &&
		    (!best || rule->client.bits >= best->client.bits))
			best = rule;
	}
	return best ? best->allows : !some_allow;
}
