// SPDX-License-Identifier: Apache-2.0
#include "static/answer/guard.h"

#include "static/options/auth.h"
#include "static/site/lookup.h"

static bool has_rules(const struct options *options)
{
	return options->rules.first[RULE_ACCESS] || options->rules.first[RULE_AUTH];
}

/* The second name of a path, in out; NULL: it has none. */
static const char *second_name(const struct options *options, const char *path,
			       char out[PATH_BYTES])
{
	size_t len = strlen(path), less = 0;

	if (len > 1 && path[len - 1] == '/')
		less = 1;
	else if (options->precompressed)
		less = lookup_suffix_bytes(path);
	if (!less)
		return NULL;
	memcpy(out, path, len - less);
	out[len - less] = '\0';
	return out;
}

bool guard_concerns(const struct options *options, const char *path)
{
	char second[PATH_BYTES];
	const char *other;

	if (!has_rules(options))
		return false;
	other = second_name(options, path, second);
	return rules_find_either(&options->rules, RULE_ACCESS, path, other) ||
	       rules_find_either(&options->rules, RULE_AUTH, path, other);
}

static int check_path(const struct options *options, const char *path, const char *other,
		      const struct visitor *visitor, const char **realm)
{
	const struct rule *auth;

	if (!rules_allow(&options->rules, path, other, visitor->client))
		return 403;
	auth = rules_find_either(&options->rules, RULE_AUTH, path, other);
	if (!auth || users_check(auth->users, visitor->authorization))
		return 0;
	*realm = auth->arguments > 1 ? auth->argument[1] : "restricted";
	return 401;
}

int guard_check(const struct options *options, const char *path, const struct visitor *visitor,
		const char **realm)
{
	char second[PATH_BYTES];
	const char *other;
	int status;

	if (!has_rules(options))
		return 0;
	status = check_path(options, path, NULL, visitor, realm);
	if (!status && (other = second_name(options, path, second)))
		status = check_path(options, path, other, visitor, realm);
	return status;
}

static bool lists(const struct options *options, const char *directory, const char *path,
		  const char *other, const struct address *client)
{
	const struct rules *rules = &options->rules;
	const struct rule *auth = rules_find_either(rules, RULE_AUTH, path, other);

	return rules_allow(rules, path, other, client) &&
	       (!auth || auth == rules_find(rules, RULE_AUTH, directory));
}

bool guard_lists(const struct options *options, const char *directory, const char *path,
		 const struct address *client)
{
	char second[PATH_BYTES];
	const char *other;

	if (!has_rules(options))
		return true;
	other = second_name(options, path, second);
	return lists(options, directory, path, NULL, client) &&
	       (!other || lists(options, directory, path, other, client));
}
