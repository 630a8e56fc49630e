/* SPDX-License-Identifier: Apache-2.0 */
#include "remember/file.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/read_file.h"
#include "base/seal.h"
#include "model/pool.h"
#include "model/turn.h"
#include "worker/worker.h"

enum { VERSION = 3, SEALED_SINCE = 3, FILE_BYTES_MAX = 64 << 20 };

#define END "end " /* of version 2, and how many backends it tells of: no name is without a colon */

static const char *const goals[] = {
	[GOAL_RUN] = "run",         [GOAL_DRAIN] = "drain", [GOAL_STOP] = "stop",
	[GOAL_RESTART] = "restart", [GOAL_LEAVE] = "leave",
};

/* As version 1 numbered them; never to be changed. */
static const char *const old_states[] = {
	"",        "stopped",  "starting", "up",     "down",  "draining",
	"drained", "stopping", "backoff",  "exited", "fatal",
};
static const char *const old_goals[] = {"run", "drain", "stop", "restart", "leave"};

static void path_of(const char *run_dir, char path[256])
{
	snprintf(path, 256, "%s/states", run_dir);
}

static void write_past(FILE *file, struct worker_past past)
{
	fprintf(file, "tried_settings=%" PRIu64 " tried_files=%" PRIu64 " files_seen=%" PRIu64 " ",
		past.tried_settings, past.tried_files, past.files_seen);
	if (past.relistened)
		fprintf(file, "relistened=%u ", past.relistened);
}

static bool is_plain(unsigned char byte)
{
	return isascii(byte) && isalnum(byte);
}

/* DANGER: it may end with what a worker wrote, which is to be one word and no other worker's line. */
static void write_note(FILE *file, const char *note)
{
	fprintf(file, " note=");
	for (; *note; note++)
		fprintf(file, is_plain(*note) ? "%c" : "%%%02x", (unsigned char)*note);
}

static void read_note(const char *word, char note[BACKEND_NOTE_BYTES])
{
	size_t used = 0;

	while (*word && used < BACKEND_NOTE_BYTES - 1) {
		unsigned byte = (unsigned char)*word;
		int length = 1;

		if (byte == '%' && sscanf(word, "%%%2x%n", &byte, &length) != 1)
			break;
		note[used++] = (char)byte;
		word += length;
	}
	note[used] = 0;
}

/* What is the matter with it the next lbd finds out by itself. */
static bool is_explained(enum state state)
{
	return state == STATE_STARTING || state == STATE_UP || state == STATE_DOWN;
}

static void write_one(void *arg, struct backend *backend)
{
	FILE *file = arg;
	struct health_tally tally = health_tally(backend->check.health);

	if (!backend->worker && !backend->check.health && backend->state != STATE_DRAINING)
		return;
	fprintf(file, "%s state=%s goal=%s turn=%s failures=%u restarts=%u good=%u bad=%u ",
		backend->name, state_name(backend->state), goals[backend->goal],
		turn_name(backend->turn), backend->failures, backend->restarts, tally.good,
		tally.bad);
	if (state_has_process(backend->state) && !backend->ready_us)
		fprintf(file, "unready=1 ");
	if (backend->kept_out)
		fprintf(file, "kept_out=1 ");
	if (backend->asked_weight)
		fprintf(file, "weight=%u ", backend->asked_weight);
	if (backend->worker)
		write_past(file, worker_past(backend->worker));
	fprintf(file, "retry_us=%llu drain_us=%llu since_us=%llu",
		(unsigned long long)backend->retry_us,
		(unsigned long long)backend->drain.timeout_us,
		(unsigned long long)backend->since_us);
	/* The last: an older lbd reads no more than 511 bytes of a line. */
	if (!is_explained(backend->state) && *backend->note)
		write_note(file, backend->note);
	fputc('\n', file);
}

static void print_remembered(FILE *file, const void *arg)
{
	/* Is only read: the cast is for the walk, which lets its callee change them. */
	struct model *model = (struct model *)arg;

	fprintf(file, "lbd-states %d %" PRIu64 "\n", VERSION, clock_us());
	pool_each_backend(model, write_one, file);
}

int remember_file_write(const struct model *model, struct error *error)
{
	char path[256];

	path_of(model->host->run_dir, path);
	return seal_publish(path, print_remembered, model, error);
}

/* False, as of the next two: no such name.  Nobody writes one that this version does not know. */
static bool find_state(const char *name, struct remembered *one)
{
	for (int state = STATE_NONE + 1; state < STATE_COUNT; state++)
		if (!strcmp(state_name(state), name)) {
			one->state = state;
			return true;
		}
	return false;
}

static bool find_goal(const char *name, struct remembered *one)
{
	for (int goal = 0; goal <= GOAL_LEAVE; goal++)
		if (!strcmp(goals[goal], name)) {
			one->goal = goal;
			return true;
		}
	return false;
}

static bool find_turn(const char *name, struct remembered *one)
{
	one->turn = turn_find(name);
	return !strcmp(turn_name(one->turn), name);
}

static void take_number(struct remembered *one, const char *key, const char *value)
{
	if (!strcmp(key, "good"))
		one->tally.good = strtoul(value, NULL, 10);
	else if (!strcmp(key, "bad"))
		one->tally.bad = strtoul(value, NULL, 10);
	else if (!strcmp(key, "failures"))
		one->failures = strtoul(value, NULL, 10);
	else if (!strcmp(key, "unready"))
		one->unready = strtoul(value, NULL, 10);
	else if (!strcmp(key, "kept_out"))
		one->kept_out = strtoul(value, NULL, 10);
	else if (!strcmp(key, "weight"))
		one->weight = strtoul(value, NULL, 10);
	else if (!strcmp(key, "restarts"))
		one->restarts = strtoul(value, NULL, 10);
	else if (!strcmp(key, "tried_settings"))
		one->past.tried_settings = strtoull(value, NULL, 10);
	else if (!strcmp(key, "tried_files"))
		one->past.tried_files = strtoull(value, NULL, 10);
	else if (!strcmp(key, "files_seen"))
		one->past.files_seen = strtoull(value, NULL, 10);
	else if (!strcmp(key, "relistened"))
		one->past.relistened = strtoul(value, NULL, 10);
	else if (!strcmp(key, "retry_us"))
		one->retry_us = strtoull(value, NULL, 10);
	else if (!strcmp(key, "drain_us"))
		one->drain_us = strtoull(value, NULL, 10);
	else if (!strcmp(key, "since_us"))
		one->since_us = strtoull(value, NULL, 10);
}

static bool take_word(struct remembered *one, const char *key, const char *value)
{
	if (!strcmp(key, "state"))
		return find_state(value, one);
	if (!strcmp(key, "goal"))
		return find_goal(value, one);
	if (!strcmp(key, "turn"))
		return find_turn(value, one);
	if (!strcmp(key, "note"))
		read_note(value, one->note);
	else
		take_number(one, key, value);
	return true;
}

static bool parse_line(char *line, struct remembered *one)
{
	char *rest, *name = strtok_r(line, " \n", &rest), *word;

	if (!name)
		return false;
	snprintf(one->name, sizeof(one->name), "%s", name);
	while ((word = strtok_r(NULL, " \n", &rest))) {
		char *value = strchr(word, '=');

		if (!value)
			return false;
		*value++ = 0;
		if (!take_word(one, word, value))
			return false;
	}
	return true;
}

static bool parse_old(const char *line, struct remembered *one)
{
	unsigned state, goal;

	if (sscanf(line, "%127s %u %u %u %u %llu %llu", one->name, &state, &goal, &one->failures,
		   &one->restarts, &one->retry_us, &one->drain_us) != 7)
		return false;
	return state < sizeof(old_states) / sizeof(*old_states) &&
	       goal < sizeof(old_goals) / sizeof(*old_goals) &&
	       (!state || find_state(old_states[state], one)) && find_goal(old_goals[goal], one);
}

struct reading {
	struct remembered *list;
	uint64_t written_us;
	unsigned version, lines, count; /* of lines, those that tell of a backend */
	bool ended;
};

static int add_remembered(struct reading *reading, const struct remembered *one)
{
	struct remembered *entry = malloc(sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	*entry = *one;
	entry->next = reading->list;
	reading->list = entry;
	reading->count++;
	return 0;
}

/* By the version that the first line names.  -EBADMSG: nobody has written that. */
static int read_line(char *line, struct reading *reading)
{
	struct remembered one = {.state = STATE_STOPPED};
	unsigned count;
	char rest;

	if (reading->ended)
		return -EBADMSG;
	if (!reading->lines++ &&
	    sscanf(line, "lbd-states %u %" SCNu64, &reading->version, &reading->written_us) >= 1)
		return reading->version > VERSION ? -EPROTO : 0;
	if (reading->version == 2 && sscanf(line, END "%u%c", &count, &rest) == 1) {
		reading->ended = count == reading->count;
		return reading->ended ? 0 : -EBADMSG;
	}
	if (!(reading->version == 1 ? parse_old(line, &one) : parse_line(line, &one)))
		return -EBADMSG;
	return add_remembered(reading, &one);
}

/* Whole, or -EBADMSG: half of it would be a guess at the rest. */
static int read_lines(char *text, size_t length, struct reading *reading)
{
	enum seal seal = seal_cut(text, length);
	size_t left = strlen(text);
	int err = 0;

	if (seal == SEAL_BROKEN || !left || text[left - 1] != '\n')
		return -EBADMSG;
	text[left - 1] = 0;
	reading->version = 1;
	for (char *line; !err && (line = strsep(&text, "\n"));)
		err = read_line(line, reading);
	/* Of a newer one nobody knows more than that its seal is good. */
	if ((seal == SEAL_GOOD) != (reading->version >= SEALED_SINCE) ||
	    (!err && reading->version == 2 && !reading->ended))
		err = -EBADMSG;
	return err;
}

static int say_cannot_read(const char *path, int err, struct error *error)
{
	if (err == -EBADMSG)
		return error_set(error, err, "%s is torn, or nothing that lbd has written", path);
	if (err == -EPROTO)
		return error_set(
			error, err,
			"%s was written by a newer lbd, and this one (" LB_VERSION
			") does not understand it: start the newer one, or remove the file "
			"to have workers started that were stopped or drained by command",
			path);
	return error_set(error, err, "%s: %s", path, strerror(-err));
}

int remember_file_read(const char *run_dir, struct remembered **list, uint64_t *written_us,
		       struct error *error)
{
	struct reading reading = {0};
	char path[256], *text;
	size_t length;
	int err;

	path_of(run_dir, path);
	*list = NULL;
	*written_us = UINT64_MAX;
	err = read_file("", path, geteuid(), FILE_BYTES_MAX, &text, &length, error);
	if (err)
		return err;
	err = read_lines(text, length, &reading);
	free(text);
	if (err) {
		remember_file_free(reading.list);
		return say_cannot_read(path, err, error);
	}
	*list = reading.list;
	*written_us = reading.written_us;
	return 0;
}

void remember_file_free(struct remembered *list)
{
	struct remembered *next;

	for (struct remembered *at = list; at; at = next) {
		next = at->next;
		free(at);
	}
}
