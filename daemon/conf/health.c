/* SPDX-License-Identifier: Apache-2.0 */
/* A block `health { }`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/private.h"

#define AT(field) .offset = offsetof(struct conf_health, field)

static int set_kind(struct conf_health *health, const struct block *at, enum conf_health_kind kind,
		    struct error *error)
{
	if (health->kind != HEALTH_NONE)
		return block_error(at, error, -EINVAL,
				   "%s: found a second kind of check; one of tcp, http, exec is "
				   "allowed",
				   at->words[0]);
	health->kind = kind;
	return 0;
}

static int set_tcp(void *target, const struct conf_directive *row, const struct block *at,
		   struct error *error)
{
	(void)row;
	return set_kind(target, at, HEALTH_TCP, error);
}

/* Neither blanks nor control characters: it becomes part of a request's head. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static int set_status(struct conf_health *health, const char *text)
{
	uint64_t first, last;

	if (conf_parse_range(text, 599, &first, &last) || first < 100)
		return -EINVAL;
	health->status_min = (unsigned)first;
	health->status_max = (unsigned)last;
	return 0;
}

static int set_http(void *target, const struct conf_directive *row, const struct block *at,
		    struct error *error)
{
	struct conf_health *health = target;
	int code = set_kind(health, at, HEALTH_HTTP, error);

	if (!code && (at->words[1][0] != '/' || !is_plain(at->words[1])))
		code = conf_refuse(at, row, at->words[1], error);
	if (!code)
		code = conf_copy(at, &health->path, at->words[1], error);
	for (size_t i = 2; i < at->count && !code; i += 2) {
		const char *value = at->words[i + 1];

		if (value && strcmp(at->words[i], "host") == 0 && *value && is_plain(value))
			code = conf_copy(at, &health->host, value, error);
		else if (!value || strcmp(at->words[i], "status") != 0 || set_status(health, value))
			code = conf_refuse(at, row, value ? value : at->words[i], error);
	}
	return code ? code : conf_options_once(at, "", error);
}

static int set_exec(void *target, const struct conf_directive *row, const struct block *at,
		    struct error *error)
{
	struct conf_health *health = target;
	int code = set_kind(health, at, HEALTH_EXEC, error);

	if (!code)
		code = conf_read_command_user(at, row, &health->user, error);
	return code ? code : conf_set_command(target, row, at, error);
}

static int set_on_failure(void *target, const struct conf_directive *row, const struct block *at,
			  struct error *error)
{
	struct conf_health *health = target;

	health->restart = strcmp(at->words[1], "restart") == 0;
	if (!health->restart && strcmp(at->words[1], "mark") != 0)
		return conf_refuse(at, row, at->words[1], error);
	return 0;
}

const struct conf_directive conf_health_table[] = {
	{"tcp", "tcp;", 0, 0, .set = set_tcp},
	{"http", "http /path [host HOST] [status 200-399];", 1, 5, .set = set_http},
	{"exec", "exec \"COMMAND\" [user NAME];", 1, 3, set_exec, AT(command)},
	{"interval", "interval TIME; 10ms to 1d, such as 500ms or 5s", 1, 1, conf_set_ms,
	 AT(interval_ms), 10, 86400000},
	{"timeout", "timeout TIME; 10ms to 1h, such as 500ms or 2s", 1, 1, conf_set_ms,
	 AT(timeout_ms), 10, 3600000},
	{"rise", "rise N; 1..1000 good checks", 1, 1, conf_set_number, AT(rise), 1, 1000},
	{"fall", "fall N; 1..1000 bad checks", 1, 1, conf_set_number, AT(fall), 1, 1000},
	{"on_failure", "on_failure mark|restart;", 1, 1, .set = set_on_failure},
	{.name = NULL},
};

int conf_health_build(const struct block *at, struct conf_health *health, struct error *error)
{
	int code;

	*health = (struct conf_health){.status_min = 200,
				       .status_max = 399,
				       .interval_ms = 5000,
				       .timeout_ms = 2000,
				       .rise = 2,
				       .fall = 3};
	code = conf_walk(at, "health", conf_health_table, health, error);
	if (!code && health->kind == HEALTH_NONE)
		code = block_error(at, error, -EINVAL,
				   "health: found no kind of check; write tcp;, http /path; or "
				   "exec \"COMMAND\"; in it");
	return code;
}

void conf_health_clear(struct conf_health *health)
{
	free(health->path);
	free(health->host);
	free(health->command);
	free(health->user);
	free(health->group);
	*health = (struct conf_health){0};
}
