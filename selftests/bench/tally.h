/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an open-loop run saw: outcomes, latencies over all and for each second, answers for each
 * worker, and the first failures one by one.  Printed as one JSON object.
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"
#include "response.h"

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS 1e6

enum outcome { OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_RESET, OUTCOME_TIMEOUT, OUTCOME_BAD, OUTCOMES };

enum { TALLY_SECONDS = 600, TALLY_LABELS = 4096, TALLY_FAILURES = 100 };

struct second {
	struct histogram latencies;
	uint64_t outcomes[OUTCOMES];
};

struct label {
	char name[RESPONSE_LABEL_MAX];
	uint64_t count;
};

struct failure {
	uint64_t intended;
	uint64_t ended;
	enum outcome outcome;
};

struct tally {
	uint64_t start; /* CLOCK_MONOTONIC, as every time here, in ns */
	uint64_t outcomes[OUTCOMES];
	struct histogram latencies; /* of what was answered, from the intended start */
	struct histogram
		lateness; /* of our own: from the intended start to the first system call */
	struct second *seconds[TALLY_SECONDS]; /* by intended start */
	struct label labels[TALLY_LABELS];
	size_t label_count;
	struct failure failures[TALLY_FAILURES];
	size_t failure_count;
};

static const char *const outcome_names[OUTCOMES] = {
	[OUTCOME_OK] = "ok",           [OUTCOME_REFUSED] = "refused", [OUTCOME_RESET] = "reset",
	[OUTCOME_TIMEOUT] = "timeout", [OUTCOME_BAD] = "bad",
};

static inline void tally_label(struct tally *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->label_count && strcmp(t->labels[i].name, name); i++)
		;
	if (i == TALLY_LABELS)
		return;
	if (i == t->label_count)
		strcpy(t->labels[t->label_count++].name, name);
	t->labels[i].count++;
}

static inline void tally_add(struct tally *t, enum outcome outcome, uint64_t intended,
			     uint64_t ended)
{
	size_t number = (intended - t->start) / NS_PER_S;
	struct second *second;

	if (number >= TALLY_SECONDS)
		number = TALLY_SECONDS - 1;
	if (!t->seconds[number])
		t->seconds[number] = calloc(1, sizeof(*second));
	second = t->seconds[number];
	t->outcomes[outcome]++;
	if (second)
		second->outcomes[outcome]++;
	if (outcome == OUTCOME_OK) {
		histogram_add(&t->latencies, ended - intended);
		if (second)
			histogram_add(&second->latencies, ended - intended);
	} else if (t->failure_count < TALLY_FAILURES) {
		t->failures[t->failure_count++] = (struct failure){intended, ended, outcome};
	}
}

static inline void tally_print_outcomes(const uint64_t *outcomes)
{
	for (int i = 0; i < OUTCOMES; i++)
		printf("%s\"%s\": %lu", i ? ", " : "", outcome_names[i], outcomes[i]);
}

static inline void tally_print_latencies(const struct histogram *h)
{
	static const struct {
		const char *name;
		double share;
	} rows[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};

	printf("\"mean\": %.3f", histogram_mean(h) / NS_PER_MS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf(", \"%s\": %.3f", rows[i].name,
		       (double)histogram_percentile(h, rows[i].share) / NS_PER_MS);
	printf(", \"max\": %.3f", (double)h->max / NS_PER_MS);
}

static inline void tally_print_seconds(const struct tally *t)
{
	const char *comma = "";

	printf(" \"per_second\": [");
	for (size_t i = 0; i < TALLY_SECONDS; i++) {
		if (!t->seconds[i])
			continue;
		printf("%s\n  {\"second\": %zu, ", comma, i);
		tally_print_outcomes(t->seconds[i]->outcomes);
		printf(", \"latency_ms\": {");
		tally_print_latencies(&t->seconds[i]->latencies);
		printf("}}");
		comma = ",";
	}
	printf("],\n");
}

static inline void tally_print_failures(const struct tally *t)
{
	printf(" \"failures\": [");
	for (size_t i = 0; i < t->failure_count; i++) {
		const struct failure *f = &t->failures[i];

		printf("%s\n  {\"outcome\": \"%s\", \"intended_s\": %.6f, \"ended_s\": %.6f}",
		       i ? "," : "", outcome_names[f->outcome],
		       (double)(f->intended - t->start) / NS_PER_S,
		       (double)(f->ended - t->start) / NS_PER_S);
	}
	printf("],\n");
}

static inline void tally_print(const struct tally *t, uint64_t end)
{
	printf("{\"start_monotonic_s\": %.6f, \"seconds\": %.6f,\n \"outcomes\": {",
	       (double)t->start / NS_PER_S, (double)(end - t->start) / NS_PER_S);
	tally_print_outcomes(t->outcomes);
	printf("},\n \"latency_ms\": {");
	tally_print_latencies(&t->latencies);
	printf("},\n \"client_late_ms\": {");
	tally_print_latencies(&t->lateness);
	printf("},\n");
	tally_print_seconds(t);
	tally_print_failures(t);
	printf(" \"by_header\": {");
	for (size_t i = 0; i < t->label_count; i++)
		printf("%s\"%s\": %lu", i ? ", " : "", t->labels[i].name, t->labels[i].count);
	printf("}}\n");
}

#endif
