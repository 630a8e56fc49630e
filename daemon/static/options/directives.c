// SPDX-License-Identifier: Apache-2.0
#include "static/options/directives.h"

#include "static/options/private.h"
#include "static/options/scale.h"

#include <errno.h>
#include <stdio.h>

static void *field_of(const struct call *call)
{
	return (char *)call->options + call->setting->offset;
}

static int set_text(const struct call *call)
{
	*(const char **)field_of(call) = call->argument[0];
	return 0;
}

static int set_switch(const struct call *call)
{
	bool on = !strcmp(call->argument[0], "on");

	if (!on && strcmp(call->argument[0], "off"))
		return directive_refuse(call, call->argument[0], "on, off");
	*(bool *)field_of(call) = on;
	return 0;
}

static int set_duration(const struct call *call)
{
	long long ms = duration_parse(call->argument[0]);

	if (ms < 0 || ms > 0x7fffffff)
		return directive_refuse(call, call->argument[0],
					"a duration such as 500ms, 10s, 5m, 2h, 1d");
	*(unsigned *)field_of(call) = ms;
	return 0;
}

static int set_number(const struct call *call)
{
	long long number = size_parse(call->argument[0]);

	if (number < 0 || number > 0x7fffffff)
		return directive_refuse(call, call->argument[0], "a number from 0");
	*(unsigned *)field_of(call) = number;
	return 0;
}

static int set_size(const struct call *call)
{
	long long size = size_parse(call->argument[0]);

	if (size < 0)
		return directive_refuse(call, call->argument[0],
					"a size such as 500, 64k, 10m, 1g");
	*(uint64_t *)field_of(call) = size;
	return 0;
}

/* Sizes of the request head: they are kept in one buffer, so they have a top. */
static int set_head_size(const struct call *call)
{
	long long size = size_parse(call->argument[0]);

	if (size < 128 || size > 65536)
		return directive_refuse(call, call->argument[0], "a size from 128 to 64k");
	*(size_t *)field_of(call) = size;
	return 0;
}

static int set_listen(const struct call *call)
{
	if (call->options->listens == LISTENS_MAX)
		return directive_refuse(call, call->argument[0], "16 addresses at most");
	call->options->listen[call->options->listens++] = call->argument[0];
	return 0;
}

static int set_index(const struct call *call)
{
	for (unsigned i = 0; i < call->arguments; i++) {
		if (strchr(call->argument[i], '/'))
			return directive_refuse(call, call->argument[i],
						"file names without a slash");
		call->options->index[i] = call->argument[i];
	}
	call->options->indexes = call->arguments;
	if (call->arguments == 1 && !strcmp(call->argument[0], "off"))
		call->options->indexes = 0;
	return 0;
}

static int set_access_log(const struct call *call)
{
	static const char *const formats[] = {"common", "combined", "json"};
	unsigned format = LOG_COMBINED;

	if (call->arguments > 1) {
		for (format = 0; format < 3; format++)
			if (!strcmp(call->argument[1], formats[format]))
				break;
		if (format == 3)
			return directive_refuse(call, call->argument[1], "common, combined, json");
	}
	call->options->log_format = format;
	call->options->access_log = strcmp(call->argument[0], "off") ? call->argument[0] : NULL;
	return 0;
}

#define AT(member)    offsetof(struct options, member)
#define LIMIT(member) offsetof(struct options, limits.member)

static const struct setting settings[] = {
	{"root", 1, 1, set_text, AT(root), "DIR", "what is served (-r)"},
	{"listen", 1, 1, set_listen, 0, "ADDR:PORT", "where; may be repeated (-l)"},
	{"backlog", 1, 1, set_number, AT(backlog), "N", "connections that wait for accept"},
	{"index", 1, 8, set_index, 0, "FILE...|off", "what a directory is shown as"},
	{"listing", 1, 1, set_switch, AT(listing), "on|off", "list directories without an index"},
	{"header", 2, 2, add_header, 0, "PATTERN 'Name: value'", "sent as it stands"},
	{"header_everywhere", 1, 1, add_header_everywhere, 0, "'Name: value'",
	 "the same for * (-H)"},
	{"expires", 2, 2, add_expires, 0, "PATTERN TIME|off", "Cache-Control: max-age"},
	{"alias", 2, 2, add_alias, 0, "PATTERN DIR", "serve a part from another directory"},
	{"try_files", 2, 16, add_try_files, 0, "PATTERN FILE... [=404]", "the first that is there"},
	{"fallback", 2, 2, add_fallback, 0, "PATTERN /PAGE",
	 "shown, with 200, for what is not there"},
	{"error_page", 2, 2, add_error_page, 0, "STATUS /PAGE", "shown with an error status"},
	{"allow", 1, 2, add_allow, 0, "all|ADDR/BITS [PATTERN]", "who may"},
	{"deny", 1, 2, add_deny, 0, "all|ADDR/BITS [PATTERN]", "who may not"},
	{"auth", 2, 3, add_auth, 0, "PATTERN FILE [REALM]", "ask for a password"},
	{"precompressed", 1, 1, set_switch, AT(precompressed), "on|off",
	 "use .br, .zst, .gz siblings"},
	{"symlinks", 1, 1, set_switch, AT(symlinks), "on|off", "follow them inside the root"},
	{"dotfiles", 1, 1, set_switch, AT(dotfiles), "on|off", "serve them"},
	{"mime_types", 1, 1, set_text, AT(mime_types), "FILE", "media types by extension"},
	{"charset", 1, 1, set_text, AT(charset), "NAME|off", "said of text"},
	{"access_log", 1, 2, set_access_log, 0, "FILE|stderr|off [common|combined|json]",
	 "requests"},
	{"counters", 1, 1, set_text, AT(counters), "FILE", "numbers for lbd, kept up to date"},
	{"user", 1, 1, set_text, AT(user), "NAME", "to become once all is open (-u)"},
	{"group", 1, 1, set_text, AT(group), "NAME", "and its group, if not the user's own"},
	{"sandbox", 1, 1, set_switch, AT(sandbox), "on|off", "Landlock and seccomp"},
	{"header_timeout", 1, 1, set_duration, LIMIT(header_ms), "TIME",
	 "for a whole request head"},
	{"idle_timeout", 1, 1, set_duration, LIMIT(idle_ms), "TIME", "between requests"},
	{"send_timeout", 1, 1, set_duration, LIMIT(send_ms), "TIME",
	 "while a client takes nothing"},
	{"linger_timeout", 1, 1, set_duration, LIMIT(linger_ms), "TIME",
	 "reading on after a refusal"},
	{"stop_timeout", 1, 1, set_duration, LIMIT(stop_ms), "TIME", "to finish after SIGTERM"},
	{"request_line", 1, 1, set_head_size, LIMIT(request.line_bytes), "SIZE", "longest"},
	{"request_head", 1, 1, set_head_size, LIMIT(request.head_bytes), "SIZE", "largest"},
	{"request_content", 1, 1, set_size, LIMIT(content_bytes), "SIZE", "read and thrown away"},
	{"connections", 1, 1, set_number, LIMIT(connections), "N", "at a time"},
	{"requests", 1, 1, set_number, LIMIT(requests), "N", "per connection; 0: no limit"},
	{"ranges", 1, 1, set_number, LIMIT(ranges), "N", "per request"},
	{"cache_files", 1, 1, set_number, LIMIT(cache_files), "N", "kept open or in memory"},
	{"cache_size", 1, 1, set_size, LIMIT(cache_bytes), "SIZE", "of memory for files"},
	{"cache_valid", 1, 1, set_duration, LIMIT(cache_valid_ms), "TIME", "until looked at again"},
	{"memory_file", 1, 1, set_size, LIMIT(memory_bytes), "SIZE", "largest kept in memory"},
	{"send_chunk", 1, 1, set_size, LIMIT(chunk_bytes), "SIZE", "before others get their turn"},
};

enum { SETTINGS = sizeof(settings) / sizeof(*settings) };

static bool same_name(const char *name, const char *given)
{
	for (; *name && *given; name++, given++)
		if (*name != (*given == '-' ? '_' : *given))
			return false;
	return !*name && !*given;
}

static const struct setting *find_setting(const char *name)
{
	for (unsigned i = 0; i < SETTINGS; i++)
		if (same_name(settings[i].name, name))
			return &settings[i];
	return NULL;
}

unsigned directive_arguments(const char *name)
{
	const struct setting *setting = find_setting(name);

	return setting ? setting->max : 0;
}

int directive_apply(struct options *options, const char *name, const char *const *argument,
		    unsigned arguments, struct fault *fault)
{
	struct call call = {options, find_setting(name), argument, arguments, fault};

	if (!call.setting)
		return fault_set(fault, -EINVAL, "unknown directive '%s'; see lbstatic --help",
				 name);
	if (arguments < call.setting->min || arguments > call.setting->max)
		return fault_set(fault, -EINVAL, "%s: expected %s", call.setting->name,
				 call.setting->usage);
	return call.setting->apply(&call);
}

void directives_print(void)
{
	char text[80];

	for (unsigned i = 0; i < SETTINGS; i++) {
		snprintf(text, sizeof(text), "--%s %s", settings[i].name, settings[i].usage);
		printf("  %-42s %s\n", text, settings[i].help);
	}
}
