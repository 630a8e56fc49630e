/* SPDX-License-Identifier: Apache-2.0 */
/* The directives that make a rule: each checks its arguments, and hands them to rules.c. */
#include "static/options/private.h"
#include "static/options/scale.h"

#include <errno.h>
#include <stdlib.h>

int directive_refuse(const struct call *call, const char *found, const char *allowed)
{
	return fault_set(call->fault, -EINVAL, "%s: found '%s', allowed: %s", call->setting->name,
			 found, allowed);
}

static struct rule *new_rule(const struct call *call, enum rule_kind kind, const char *pattern)
{
	struct rule *rule = rules_add(&call->options->rules, kind, pattern);

	if (!rule) {
		fault_set(call->fault, -ENOMEM, "%s: no memory", call->setting->name);
		return NULL;
	}
	rule->argument = call->argument + 1;
	rule->arguments = call->arguments - 1;
	return rule;
}

/* The fields that say where a response ends, or that change with each one. */
static bool is_framing(const char *line, size_t name_bytes)
{
	static const char *const names[] = {"Content-Length", "Transfer-Encoding",
					    "Connection",     "Date",
					    "Content-Range",  "Content-Encoding"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (slice_is_nocase((struct slice){line, name_bytes}, names[i]))
			return true;
	return false;
}

static int check_header(const struct call *call, const char *line)
{
	size_t name = strcspn(line, ":");

	if (!name || !line[name] || strcspn(line, " \t\r\n\"(),/;<=>?@[\\]{}") < name)
		return directive_refuse(call, line, "\"Name: value\"");
	for (const char *at = line; *at; at++)
		if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
			return directive_refuse(call, line,
						"\"Name: value\" without control characters");
	if (is_framing(line, name))
		return directive_refuse(call, line,
					"any field but those that lbstatic must set itself");
	return 0;
}

int add_header(const struct call *call)
{
	int err = check_header(call, call->argument[1]);

	return err ? err : new_rule(call, RULE_HEADER, call->argument[0]) ? 0 : -ENOMEM;
}

int add_header_everywhere(const struct call *call)
{
	int err = check_header(call, call->argument[0]);
	struct rule *rule = err ? NULL : new_rule(call, RULE_HEADER, "*");

	if (!rule)
		return err ? err : -ENOMEM;
	rule->argument = call->argument;
	rule->arguments = 1;
	return 0;
}

int add_expires(const struct call *call)
{
	bool off = !strcmp(call->argument[1], "off");
	long long ms = off ? -1000 : duration_parse(call->argument[1]);
	struct rule *rule;

	if (!off && ms < 0)
		return directive_refuse(call, call->argument[1],
					"off, or a duration such as 10s, 5m, 30d");
	rule = new_rule(call, RULE_EXPIRES, call->argument[0]);
	if (!rule)
		return -ENOMEM;
	rule->seconds = ms / 1000;
	return 0;
}

int add_alias(const struct call *call)
{
	if (*call->argument[0] != '/' && !strpbrk(call->argument[0], "*?["))
		return directive_refuse(call, call->argument[0],
					"a path prefix such as /media, or *.png");
	return new_rule(call, RULE_ALIAS, call->argument[0]) ? 0 : -ENOMEM;
}

/* As a request's path is once it is decoded: the access rules look at the names of pages, too. */
static bool is_plain(const char *page)
{
	const char *slash = strchr(page, '/');

	for (; slash; slash = strchr(slash + 1, '/')) {
		size_t len = strcspn(slash + 1, "/");

		if ((!len && slash[1]) || (len == 1 && slash[1] == '.') ||
		    (len == 2 && slash[1] == '.' && slash[2] == '.'))
			return false;
	}
	return true;
}

static int check_page(const struct call *call, const char *page)
{
	if (*page == '/' && is_plain(page))
		return 0;
	return directive_refuse(call, page,
				"a path from the root such as /index.html, without // . ..");
}

int add_try_files(const struct call *call)
{
	for (unsigned i = 1; i < call->arguments; i++) {
		const char *page = call->argument[i];
		bool last = i == call->arguments - 1;
		long status = *page == '=' && last ? strtol(page + 1, NULL, 10) : 0;

		if (*page == '=' && status != 403 && status != 404)
			return directive_refuse(call, page, "=403 or =404, and as the last");
		if (*page != '=' && *page != '/' && strncmp(page, "$uri", 4))
			return directive_refuse(call, page,
						"$uri, $uri/, $uri.html, /a/path, =404");
		if (!is_plain(page))
			return directive_refuse(call, page, "a path without // . ..");
	}
	return new_rule(call, RULE_TRY_FILES, call->argument[0]) ? 0 : -ENOMEM;
}

int add_fallback(const struct call *call)
{
	int err = check_page(call, call->argument[1]);

	return err ? err : new_rule(call, RULE_FALLBACK, call->argument[0]) ? 0 : -ENOMEM;
}

int add_error_page(const struct call *call)
{
	long status = strtol(call->argument[0], NULL, 10);
	int err = check_page(call, call->argument[1]);
	struct rule *rule;

	if (err)
		return err;
	if (status < 400 || status > 599)
		return directive_refuse(call, call->argument[0], "a status from 400 to 599");
	rule = new_rule(call, RULE_ERROR_PAGE, "*");
	if (!rule)
		return -ENOMEM;
	rule->status = status;
	return 0;
}

static int add_access(const struct call *call, bool allows)
{
	struct prefix client;
	struct rule *rule;

	if (prefix_parse(&client, call->argument[0]))
		return directive_refuse(
			call, call->argument[0],
			"all, or a prefix without bits beyond its length, such as 10.0.0.0/8");
	rule = new_rule(call, RULE_ACCESS, call->arguments > 1 ? call->argument[1] : "*");
	if (!rule)
		return -ENOMEM;
	rule->client = client;
	rule->allows = allows;
	return 0;
}

int add_allow(const struct call *call)
{
	return add_access(call, true);
}

int add_deny(const struct call *call)
{
	return add_access(call, false);
}

int add_auth(const struct call *call)
{
	if (call->arguments > 2 && strpbrk(call->argument[2], "\"\\\r\n"))
		return directive_refuse(call, call->argument[2],
					"a realm without quotes and backslashes");
	return new_rule(call, RULE_AUTH, call->argument[0]) ? 0 : -ENOMEM;
}
