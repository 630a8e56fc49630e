/* SPDX-License-Identifier: Apache-2.0 */
/* `lbctl status` for a person: what is not to be overlooked stands above the counters. */
#include <stdlib.h>
#include <string.h>

#include "lb/abi.h"
#include "lb/ctl.h"
#include "render.h"
#include "table.h"

static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_head(const struct cli *cli, const json_t *data)
{
	char *uptime = table_duration(json_number_value(json_object_get(data, "uptime_s")));

	fprintf(cli->out, "lbd %s, instance %s, pid %lld, up %s\n", text_of(data, "version", "?"),
		text_of(data, "instance", "?"), number_of(data, "pid"), uptime ? uptime : "?");
	free(uptime);
}

/* Its own end is under way: not to be overlooked either. */
static void print_stage(const struct cli *cli, const char *stage)
{
	static const struct {
		const char *name, *meaning;
	} stages[] = {
		{"draining", "STOPPING: no new connections; those that are open may end, and "
			     "`lbctl shutdown` cuts them"},
		{"stopping", "STOPPING: what is open is cut, workers are being stopped"},
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		if (!strcmp(stage, stages[i].name))
			fprintf(cli->out, "%-10s  %s\n", "state", stages[i].meaning);
}

static void print_tier(const struct cli *cli, const char *label, const char *name, const char *tier,
		       const char *note)
{
	bool has_colour = cli->colour && *table_state_colour(tier);

	fprintf(cli->out, "%-10s  %s%s%s%s%s%s%s\n", label, name, *name ? "  " : "",
		has_colour ? table_state_colour(tier) : "", tier, has_colour ? "\033[0m" : "",
		*note ? "  " : "", note);
}

/* What is lost on a tier below native, and what to do: never to be overlooked. */
static const char *tier_note(const char *tier)
{
	if (!strcmp(tier, "generic"))
		return "SLOWER THAN IT COULD BE: XDP runs after the driver; see the interfaces' "
		       "notes";
	if (!strcmp(tier, "none"))
		return "NO XDP: connections are steered at their listener only; `lbctl attach "
		       "IFACE`";
	return "";
}

/* Its name and the note on whose program is there are others' words. */
static void print_interface(const struct cli *cli, const char *label, const json_t *interface)
{
	char *name = table_text(json_object_get(interface, "interface"));
	char *note = table_text(json_object_get(interface, "note"));

	print_tier(cli, label, name ? name : "?", text_of(interface, "tier", "?"),
		   note ? note : "");
	free(name);
	free(note);
}

static void print_interfaces(const struct cli *cli, const json_t *list)
{
	json_t *interface;
	size_t i;

	json_array_foreach(list, i, interface)
		print_interface(cli, i ? "" : "interfaces", interface);
}

static const char *meaning_of(const char *counter)
{
	static const struct {
		const char *name, *meaning;
	} reasons[] = {
#define REASON(name, text, meaning) {text, meaning},
		LB_REASONS(REASON)
#undef REASON
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (!strcmp(counter, reasons[i].name))
			return reasons[i].meaning;
	}
	return "";
}

static void print_counters(const struct cli *cli, const json_t *counters)
{
	static const struct column columns[] = {
		{"COUNTER", "counter", COLUMN_TEXT, false},
		{"COUNT", "count", COLUMN_NUMBER, false},
		{"MEANING", "meaning", COLUMN_TEXT, true},
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));
	const char *name;
	json_t *count;
	bool any = false;

	json_object_foreach((json_t *)counters, name, count)
	{
		json_t *row = json_pack("{s:s, s:O, s:s}", "counter", name, "count", count,
					"meaning", meaning_of(name));

		if (table && row && json_integer_value(count)) {
			table_add(table, row);
			any = true;
		}
		json_decref(row);
	}
	if (any) {
		fputc('\n', cli->out);
		table_print(table, cli->out, cli->colour);
	}
	table_free(table);
}

/* What is not to be overlooked: members of the data that list names, empty where all is well. */
static void print_warnings(const struct cli *cli, const json_t *data)
{
	static const struct {
		const char *member, *label, *before, *after;
	} warnings[] = {
		{"outdated", "settings", "OLD", "`lbctl reload` rolls them"},
		{"all_down", "checks", "ALL FAIL", "served on all the same (all_down serve)"},
		{"nobody_serves", "pools", "NOBODY SERVES",
		 "clients are refused (`lbctl pool` says why)"},
		{"clients_wait", "pools", "NOBODY SERVES YET",
		 "clients wait (`lbctl pool` says for whom)"},
		{"also_listened", "services", "OTHERS LISTEN THERE, TOO",
		 "they get nothing (`lbctl service` names them)"},
	};

	for (size_t i = 0; i < sizeof(warnings) / sizeof(*warnings); i++) {
		char *names = table_text(json_object_get(data, warnings[i].member));

		if (names && *names)
			fprintf(cli->out, "%-10s  %s: %s; %s\n", warnings[i].label,
				warnings[i].before, names, warnings[i].after);
		free(names);
	}
}

int render_status(const struct cli *cli, const json_t *request, const json_t *data)
{
	const char *tier = text_of(data, "tier", "?");
	const json_t *tracks = json_object_get(data, "tracks");

	(void)request;
	print_head(cli, data);
	print_stage(cli, text_of(data, "state", ""));
	print_tier(cli, "tier", "", tier, tier_note(tier));
	print_interfaces(cli, json_object_get(data, "interfaces"));
	fprintf(cli->out, "%-10s  services %lld, pools %lld, backends %lld, workers %lld\n",
		"model", number_of(data, "services"), number_of(data, "pools"),
		number_of(data, "backends"), number_of(data, "workers"));
	print_warnings(cli, data);
	if (json_is_false(tracks))
		fprintf(cli->out, "%-10s  %s\n", "tracking",
			"OFF: connections are not counted, listeners are found late; needs cgroup "
			"v2");
	print_counters(cli, json_object_get(data, "counters"));
	return LB_CTL_DONE;
}
