/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"

#include <stdlib.h>
#include <string.h>

#include "lb/ctl.h"
#include "table.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct column backend_columns[] = {
	{"BACKEND", "address", COLUMN_TEXT, false}, {"STATE", "state", COLUMN_STATE, false},
	{"WEIGHT", "weight", COLUMN_NUMBER, false}, {"ACTIVE", "active", COLUMN_NUMBER, false},
	{"QUEUE", "queue", COLUMN_NUMBER, false},   {"TOTAL", "total", COLUMN_NUMBER, false},
	{"WORKER", "worker", COLUMN_TEXT, true},    {"OWNER", "owner", COLUMN_TEXT, true},
	{"NOTE", "note", COLUMN_TEXT, true},
};

static const struct column worker_columns[] = {
	{"WORKER", "name", COLUMN_TEXT, false},
	{"STATE", "state", COLUMN_STATE, false},
	{"PID", "pid", COLUMN_NUMBER, false},
	{"UPTIME", "uptime_s", COLUMN_DURATION, false},
	{"RESTARTS", "restarts", COLUMN_NUMBER, false},
	{"MEMORY", "memory", COLUMN_BYTES, true},
	{"SETTINGS", "settings", COLUMN_TEXT, true},
	{"ROLL", "roll", COLUMN_TEXT, true},
	{"NOTE", "note", COLUMN_TEXT, true},
};

static const struct column service_columns[] = {
	{"SERVICE", "service", COLUMN_TEXT, false},
	{"POOL", "pool", COLUMN_TEXT, false},
	{"LISTENS", "listens", COLUMN_TEXT, false},
	{"CONNECTIONS", "connections", COLUMN_NUMBER, false},
	{"REFUSED", "refused", COLUMN_NUMBER, false},
	{"DROPPED", "dropped", COLUMN_NUMBER, false},
	{"DEFERRED", "deferred", COLUMN_NUMBER, false},
	{"DENIED", "denied", COLUMN_NUMBER, false},
	{"NOTE", "note", COLUMN_TEXT, true},
};

/* Frees the table, which is NULL where there was no memory for it.  none: what is said where data is empty. */
static int print_table(const struct cli *cli, struct table *table, const json_t *data,
		       const char *none)
{
	if (!table)
		return cli_fail(cli, LB_CTL_REFUSED, "no memory");
	if (json_array_size(data))
		table_print(table, cli->out, cli->colour);
	else
		fprintf(cli->out, "%s\n", none);
	table_free(table);
	return LB_CTL_DONE;
}

static int render_rows(const struct cli *cli, const json_t *data, const struct column *columns,
		       size_t count, const char *none)
{
	struct table *table = table_new(columns, count);
	json_t *object;
	size_t i;

	if (table)
		json_array_foreach(data, i, object) table_add(table, object);
	return print_table(cli, table, data, none);
}

static const char *pool_note(const json_t *pool)
{
	if (json_is_true(json_object_get(pool, "nobody_serves")))
		return ", NOBODY SERVES: clients are refused";
	if (json_is_true(json_object_get(pool, "clients_wait")))
		return ", NOBODY SERVES YET: clients wait";
	return "";
}

/* `web  least_load`, with what a pool without backends needs. */
static void add_pool_heading(struct table *table, const json_t *pool)
{
	const char *scheduler = json_string_value(json_object_get(pool, "scheduler"));
	const char *name = json_string_value(json_object_get(pool, "pool"));
	const char *lack = "";
	char *text = NULL;

	if (json_is_true(json_object_get(pool, "gone")))
		lack = ", gone from the configuration";
	else if (!json_array_size(json_object_get(pool, "backends")))
		lack = ", no backends";
	if (asprintf(&text, "%s, %s%s%s", name ? name : "?", scheduler ? scheduler : "?", lack,
		     pool_note(pool)) >= 0)
		table_add_heading(table, text);
	free(text);
}

static void add_pool(struct table *table, const json_t *pool)
{
	json_t *backend;
	size_t i;

	add_pool_heading(table, pool);
	json_array_foreach(json_object_get(pool, "backends"), i, backend) table_add(table, backend);
	json_array_foreach(json_object_get(pool, "leaving"), i, backend) table_add(table, backend);
}

int render_pools(const struct cli *cli, const json_t *request, const json_t *data)
{
	struct table *table = table_new(backend_columns, COUNT(backend_columns));
	json_t *pool;
	size_t i;

	(void)request;
	if (table)
		json_array_foreach(data, i, pool) add_pool(table, pool);
	return print_table(cli, table, data,
			   "no pools; `lbctl pool add ADDR:PORT` makes the first");
}

int render_services(const struct cli *cli, const json_t *request, const json_t *data)
{
	(void)request;
	return render_rows(cli, data, service_columns, COUNT(service_columns),
			   "no services; `lbctl service add NAME tcp ADDR:PORT` makes the first");
}

/* As supervisorctl: asked about some workers, says by its exit code whether all of them run. */
int render_workers(const struct cli *cli, const json_t *request, const json_t *data)
{
	static const char *const still[] = {"stopped", "backoff", "exited", "fatal"};
	int code = render_rows(cli, data, worker_columns, COUNT(worker_columns),
			       "no workers; a `worker { }` block in a pool makes them");
	json_t *worker;
	size_t i;

	if (!json_object_get(request, "name"))
		return code;
	json_array_foreach(data, i, worker)
	{
		const char *state = json_string_value(json_object_get(worker, "state"));

		for (size_t k = 0; state && k < COUNT(still); k++) {
			if (!strcmp(state, still[k]))
				code = LB_CTL_NOT_RUNNING;
		}
	}
	return code;
}

/* "name: value" for members, the value alone for items; one line each. */
static void print_plain(FILE *out, const char *key, const json_t *value)
{
	char *text = table_text(value);

	fprintf(out, "%s%s%s\n", key ? key : "", key ? ": " : "", text ? text : "");
	free(text);
}

/* A list of objects without a table of its own: each on a line, `name: value, name: value`. */
static void print_object_line(FILE *out, const json_t *object)
{
	const char *key, *separator = "";
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		char *text = table_text(value);

		fprintf(out, "%s%s: %s", separator, key, text ? text : "");
		separator = ", ";
		free(text);
	}
	fputc('\n', out);
}

static void print_item(FILE *out, const json_t *item)
{
	if (json_is_object(item))
		print_object_line(out, item);
	else
		print_plain(out, NULL, item);
}

int render_plain(const struct cli *cli, const json_t *request, const json_t *data)
{
	const char *key;
	json_t *value;
	size_t i;

	(void)request;
	if (json_is_object(data))
		json_object_foreach((json_t *)data, key, value) print_plain(cli->out, key, value);
	else if (json_is_array(data))
		json_array_foreach(data, i, value) print_item(cli->out, value);
	else
		print_plain(cli->out, NULL, data);
	return LB_CTL_DONE;
}

int render_changes(const struct cli *cli, const json_t *request, const json_t *data)
{
	const json_t *changes = json_object_get(data, "changes");

	if (!json_is_array(changes))
		return render_plain(cli, request, data);
	if (!json_array_size(changes))
		fputs("no difference\n", cli->out);
	return render_plain(cli, request, changes);
}

int render_text(const struct cli *cli, const json_t *request, const json_t *data)
{
	if (!json_is_string(data))
		return render_plain(cli, request, data);
	cli_put(cli, data);
	return LB_CTL_DONE;
}
