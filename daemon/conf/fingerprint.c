/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings that a process has from its start, as one number: what is recorded of a process is
 * compared with it by later lbds, of later versions too.  Hence a setting has a line only where it
 * differs from its default, so that one which is new changes the number only of those who use it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "conf/private.h"

static void put_text(FILE *out, const char *name, const char *value)
{
	if (value)
		fprintf(out, "%s %s\n", name, value);
}

static void put_texts(FILE *out, const char *name, char **values)
{
	for (char **at = values; *at; at++)
		put_text(out, name, *at);
}

static void put_number(FILE *out, const char *name, uint64_t value, uint64_t standard)
{
	if (value != standard)
		fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void put_output(FILE *out, const char *name, const struct conf_output *output)
{
	const struct conf_output standard = CONF_OUTPUT_DEFAULT;

	fprintf(out, "%s\n", name);
	put_number(out, "kind", output->kind, standard.kind);
	put_text(out, "path", output->path);
	put_number(out, "size", output->max_bytes, standard.max_bytes);
	put_number(out, "files", output->max_files, standard.max_files);
	put_number(out, "age", output->max_age_s, standard.max_age_s);
	put_number(out, "prefix", output->prefix, standard.prefix);
}

static void put_limits(FILE *out, const struct conf_limits *limits)
{
	put_number(out, "nofile", limits->nofile, CONF_UNSET);
	put_number(out, "core", limits->core, CONF_UNSET);
	put_number(out, "memory", limits->memory_max_bytes, CONF_UNSET);
	put_number(out, "pids", limits->pids_max, CONF_UNSET);
	put_number(out, "cpu", limits->cpu_max_percent, 0);
	put_number(out, "nice", (uint64_t)limits->nice, CONF_NICE_UNSET);
}

static void put_confinement(FILE *out, const struct confinement *confinement)
{
	put_number(out, "no_new_privileges", confinement->no_new_privileges, false);
	put_number(out, "private_tmp", confinement->private_tmp, false);
	if (confinement->set_capabilities)
		put_number(out, "capabilities", confinement->capabilities, UINT64_MAX);
	if (confinement->read_only)
		put_texts(out, "read_only", confinement->read_only);
}

static void put_worker(FILE *out, const struct conf_worker *worker)
{
	put_text(out, "command", worker->command);
	put_number(out, "inherit", worker->inherit, false);
	put_number(out, "dual_stack", worker->dual_stack, false);
	put_text(out, "directory", worker->directory);
	put_text(out, "user", worker->user);
	put_text(out, "group", worker->group);
	put_number(out, "umask", (uint64_t)worker->umask, (uint64_t)-1);
	put_texts(out, "environment", worker->environment);
	put_texts(out, "environment_file", worker->environment_files);
	put_number(out, "ready", worker->readiness, READY_LISTENER);
	put_number(out, "watchdog", worker->watchdog_ms, 0);
	put_output(out, "stdout", &worker->stdout_log);
	if (!worker->merge_stderr)
		put_output(out, "stderr", &worker->stderr_log);
	put_limits(out, &worker->limits);
	put_number(out, "inherit_environment", worker->inherit_environment, false);
	put_confinement(out, &worker->confinement);
	put_number(out, "fuse", worker->fuse, false);
}

int conf_worker_fingerprint(struct conf_worker *worker)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return -ENOMEM;
	put_worker(out, worker);
	if (fclose(out)) {
		free(text);
		return -ENOMEM;
	}
	worker->fingerprint = hash_bytes(text, length) | 1;
	free(text);
	return 0;
}
