/* SPDX-License-Identifier: Apache-2.0 */
/* allow and deny of nginx, where the first match decides, as rules of which the most specific does. */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "import/model.h"

enum { RULES_MAX = 8192 };

struct rule {
	struct lb_addr addr;
	unsigned bits;
	bool allow;
};

/* nginx ignores the bits beyond the prefix; lbd refuses them. */
static char *clear_host_bits(const char *text)
{
	const char *slash = strchr(text, '/');
	char *address = import_text("%.*s", (int)(slash ? slash - text : (long)strlen(text)), text);
	char plain[ADDR_TEXT_BYTES];
	struct error error;
	struct lb_addr addr;
	unsigned bits, base;

	if (!slash || addr_parse(address, &addr, &error))
		return import_text("%s", text);
	base = addr_is_v4(&addr) ? 96 : 0;
	bits = base + (unsigned)strtoul(slash + 1, NULL, 10);
	for (unsigned i = bits; i < 128; i++)
		addr.bytes[i / 8] &= (__u8) ~(0x80U >> i % 8);
	return import_text("%s%s", addr_format(&addr, plain), slash);
}

static bool rule_contains(const struct rule *wide, const struct rule *narrow)
{
	if (wide->bits > narrow->bits)
		return false;
	for (unsigned i = 0; i < wide->bits; i++)
		if ((wide->addr.bytes[i / 8] ^ narrow->addr.bytes[i / 8]) & (0x80U >> i % 8))
			return false;
	return true;
}

/* The earlier rule that decides for all that this one concerns; NULL: none. */
static const struct rule *covering(const struct rule *rules, size_t count, const struct rule *rule)
{
	for (size_t i = 0; i < count; i++)
		if (rule_contains(&rules[i], rule))
			return &rules[i];
	return NULL;
}

static void emit_allowed(const struct block *at, struct block *to, struct rule *rules,
			 size_t *count)
{
	struct rule rule = {.allow = strcmp(at->words[0], "allow") == 0};
	char *prefix = at->count == 2 ? clear_host_bits(at->words[1]) : NULL;
	const struct rule *earlier;
	struct error error;

	if (!prefix || addr_parse_prefix(prefix, &rule.addr, &rule.bits, &error)) {
		import_drop_block(to, at, "it is no address that a TCP client has");
		return;
	}
	earlier = covering(rules, *count, &rule);
	if (earlier) {
		import_drop_block(to, at,
				  "an earlier rule decided for it; the most specific does now");
		return;
	}
	if (*count < RULES_MAX)
		rules[(*count)++] = rule;
	import_add(to, false, WORDS(at->words[0], prefix));
}

void import_access(const struct block *from, struct block *to)
{
	struct rule *rules = import_keep(calloc(RULES_MAX, sizeof(*rules)));
	size_t count = 0;

	for (const struct block *at = from->first; at; at = at->next)
		if (strcmp(at->words[0], "allow") == 0 || strcmp(at->words[0], "deny") == 0)
			emit_allowed(at, to, rules, &count);
}
