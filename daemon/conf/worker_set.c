/* SPDX-License-Identifier: Apache-2.0 */
/* The setters of the table of `worker { }` that conf/table.h has not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "conf/worker_set.h"
#include "host/process/environment.h"

static int count_of(const char *text, uint64_t *count)
{
	if (strcmp(text, "auto") != 0)
		return conf_parse_number(text, LB_MAX_BACKENDS, count);
	/* Twice the cores: one may wait for its disk while the other computes. */
	*count = 2 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	return 0;
}

int worker_set_ports(void *target, const struct conf_directive *row, const struct block *at,
		     struct error *error)
{
	struct worker_draft *draft = target;
	uint64_t first, last, count;

	if (conf_parse_range(at->words[1], 65535, &first, &last) || first == 0)
		return conf_refuse(at, row, at->words[1], error);
	count = last - first + 1;
	if (at->count == 3 || (at->count == 4 && (strcmp(at->words[2], "count") != 0 ||
						  count != 1 || count_of(at->words[3], &count))))
		return conf_refuse(at, row, at->words[at->count - 1], error);
	if (count == 0 || count > LB_MAX_BACKENDS || first + count - 1 > 65535)
		return block_error(at, error, -EINVAL,
				   "ports: found %llu from %llu on; allowed: 1..%d of them, up to "
				   "port 65535",
				   (unsigned long long)count, (unsigned long long)first,
				   LB_MAX_BACKENDS);
	draft->worker.first_port = (uint16_t)first;
	draft->worker.count = (unsigned)count;
	return 0;
}

int worker_set_address(void *target, const struct conf_directive *row, const struct block *at,
		       struct error *error)
{
	struct worker_draft *draft = target;
	struct error inner;

	if (addr_parse(at->words[1], &draft->worker.addr, &inner))
		return block_error(at, error, -EINVAL, "%s: %s", row->name, inner.text);
	return 0;
}

int conf_add_text(const struct block *at, char ***list, char *text, struct error *error)
{
	size_t count = 0;
	char **larger;

	while ((*list)[count])
		count++;
	larger = text ? reallocarray(*list, count + 2, sizeof(**list)) : NULL;
	if (!larger) {
		free(text);
		return conf_no_memory(at, error);
	}
	larger[count] = text;
	larger[count + 1] = NULL;
	*list = larger;
	return 0;
}

int worker_set_environment(void *target, const struct conf_directive *row, const struct block *at,
			   struct error *error)
{
	struct conf_worker *worker = &((struct worker_draft *)target)->worker;
	int code = 0;

	for (size_t i = 1; i < at->count && !code; i++) {
		const char *text = at->words[i];

		if (!strchr(text, '=') || *text == '=')
			return conf_refuse(at, row, text, error);
		if (environment_is_reserved(text))
			return block_error(at, error, -EINVAL,
					   "environment: found %.*s, which is lbd's alone to say; "
					   "take it out (see `environment` in lbd.conf(5))",
					   (int)(strcspn(text, "=") < 60 ? strcspn(text, "=") : 60),
					   text);
		code = conf_check_variables(at, text, error);
		if (!code)
			code = conf_add_text(at, &worker->environment, strdup(text), error);
	}
	return code;
}

int worker_set_environment_file(void *target, const struct conf_directive *row,
				const struct block *at, struct error *error)
{
	struct conf_worker *worker = &((struct worker_draft *)target)->worker;
	int code = conf_check_variables(at, at->words[1], error);

	(void)row;
	if (code)
		return code;
	return conf_add_text(at, &worker->environment_files, conf_path(at, at->words[1]), error);
}

int worker_set_exit_codes(void *target, const struct conf_directive *row, const struct block *at,
			  struct error *error)
{
	struct conf_worker *worker = &((struct worker_draft *)target)->worker;
	uint64_t number;

	memset(worker->exit_codes, 0, sizeof(worker->exit_codes));
	for (size_t i = 1; i < at->count; i++) {
		if (conf_parse_number(at->words[i], 255, &number))
			return conf_refuse(at, row, at->words[i], error);
		worker->exit_codes[number / 64] |= 1ULL << number % 64;
	}
	return 0;
}

int worker_set_backoff(void *target, const struct conf_directive *row, const struct block *at,
		       struct error *error)
{
	struct conf_worker *worker = &((struct worker_draft *)target)->worker;
	uint64_t least, most;

	if (conf_parse_ms(at->words[1], MOST_MS, &least) || least == 0)
		return conf_refuse(at, row, at->words[1], error);
	if (conf_parse_ms(at->words[2], MOST_MS, &most) || most < least)
		return conf_refuse(at, row, at->words[2], error);
	worker->backoff_min_ms = (uint32_t)least;
	worker->backoff_max_ms = (uint32_t)most;
	return 0;
}

/* -999999..999999, or as the row says. */
static int parse_signed(const char *text, int64_t least, int64_t most, int *number)
{
	uint64_t size;
	int64_t value;

	if (conf_parse_number(text + (*text == '-'), 999999, &size))
		return -EINVAL;
	value = *text == '-' ? -(int64_t)size : (int64_t)size;
	*number = (int)value;
	return value >= least && value <= most ? 0 : -EINVAL;
}

int worker_set_priority(void *target, const struct conf_directive *row, const struct block *at,
			struct error *error)
{
	if (parse_signed(at->words[1], -999999, 999999,
			 &((struct worker_draft *)target)->worker.priority))
		return conf_refuse(at, row, at->words[1], error);
	return 0;
}

int worker_set_nice(void *target, const struct conf_directive *row, const struct block *at,
		    struct error *error)
{
	if (parse_signed(at->words[1], -20, 19,
			 &((struct worker_draft *)target)->worker.limits.nice))
		return conf_refuse(at, row, at->words[1], error);
	return 0;
}

int worker_set_stdout(void *target, const struct conf_directive *row, const struct block *at,
		      struct error *error)
{
	return conf_output_read(at, row, &((struct worker_draft *)target)->worker.stdout_log,
				error);
}

int worker_set_stderr(void *target, const struct conf_directive *row, const struct block *at,
		      struct error *error)
{
	struct conf_worker *worker = &((struct worker_draft *)target)->worker;

	worker->merge_stderr = at->count == 2 && strcmp(at->words[1], "stdout") == 0;
	return worker->merge_stderr ? 0 : conf_output_read(at, row, &worker->stderr_log, error);
}

static int parse_percent(const char *text, uint64_t *percent)
{
	size_t length = strlen(text);
	char digits[16];

	if (length < 2 || length > sizeof(digits) || text[length - 1] != '%')
		return -EINVAL;
	memcpy(digits, text, length - 1);
	digits[length - 1] = '\0';
	return conf_parse_number(digits, 1000000, percent);
}

static int parse_core(const char *text, uint64_t *bytes)
{
	if (strcmp(text, "unlimited") == 0)
		text = "1024t";
	return conf_parse_size(text, 1ULL << 50, bytes);
}

int worker_set_limit(void *target, const struct conf_directive *row, const struct block *at,
		     struct error *error)
{
	static const char *const kinds[WORKER_LIMITS] = {"nofile", "core", "memory", "pids", "cpu"};
	struct worker_draft *draft = target;
	struct conf_limits *limits = &draft->worker.limits;
	const char *what = at->words[1], *text = at->words[2];
	uint64_t percent = 1;
	unsigned kind = 0;
	int code;

	while (kind < WORKER_LIMITS && strcmp(what, kinds[kind]) != 0)
		kind++;
	if (kind == WORKER_LIMITS)
		return conf_refuse(at, row, what, error);
	code = conf_once(at, what, &draft->limits_at[kind], error);
	if (code)
		return code;
	if (strcmp(what, "nofile") == 0)
		code = conf_parse_number(text, 1 << 30, &limits->nofile);
	else if (strcmp(what, "core") == 0)
		code = parse_core(text, &limits->core);
	else if (strcmp(what, "memory") == 0)
		code = conf_parse_size(text, 1ULL << 50, &limits->memory_max_bytes);
	else if (strcmp(what, "pids") == 0)
		code = conf_parse_number(text, 1 << 22, &limits->pids_max);
	else
		code = parse_percent(text, &percent);
	if (code || percent == 0 || limits->memory_max_bytes == 0 || limits->pids_max == 0)
		return conf_refuse(at, row, text, error);
	if (strcmp(what, "cpu") == 0)
		limits->cpu_max_percent = (uint32_t)percent;
	return 0;
}

/* One of `recycle`: false: it is none, or not of that. */
static bool read_age(const char *what, const char *text, uint64_t *ms)
{
	return strcmp(what, "age") == 0 && conf_parse_ms(text, UINT32_MAX * 1000ULL, ms) == 0 &&
	       *ms >= 1000;
}

static bool read_memory(const char *what, const char *text, uint64_t *bytes)
{
	return strcmp(what, "memory") == 0 && conf_parse_size(text, 1ULL << 50, bytes) == 0 &&
	       *bytes > 0;
}

int worker_set_recycle(void *target, const struct conf_directive *row, const struct block *at,
		       struct error *error)
{
	struct worker_draft *draft = target;
	uint64_t value;
	int code = 0;

	for (size_t i = 1; i < at->count && !code; i += 2) {
		const char *what = at->words[i], *text = at->words[i + 1];

		if (text && read_age(what, text, &value)) {
			code = conf_once(at, what, &draft->age_at, error);
			draft->worker.max_age_s = (uint32_t)(value / 1000);
		} else if (text && read_memory(what, text, &value)) {
			code = conf_once(at, what, &draft->memory_at, error);
			draft->worker.max_memory_bytes = value;
		} else {
			return conf_refuse(at, row, text ? text : what, error);
		}
	}
	return code;
}

int worker_set_before_start(void *target, const struct conf_directive *row, const struct block *at,
			    struct error *error)
{
	struct conf_worker *worker = &((struct worker_draft *)target)->worker;
	int code = conf_read_command_user(at, row, &worker->before_start_user, error);

	return code ? code : conf_set_command(target, row, at, error);
}

int worker_set_after_stop(void *target, const struct conf_directive *row, const struct block *at,
			  struct error *error)
{
	struct conf_worker *worker = &((struct worker_draft *)target)->worker;
	int code = conf_read_command_user(at, row, &worker->after_stop_user, error);

	return code ? code : conf_set_command(target, row, at, error);
}
