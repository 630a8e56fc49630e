/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections of one process share. */
#ifndef LBSTATIC_SERVER_H
#define LBSTATIC_SERVER_H

#include "static/answer/cache.h"
#include "static/connection/log.h"
#include "static/ground/timers.h"
#include "static/http/date.h"
#include "static/options/counters.h"

struct connection;

struct server {
	const struct options *options;
	struct site *site;
	struct cache cache;
	struct timers timers;
	struct counters *counters;
	struct log *log;
	int epoll;
	bool stopping;
	unsigned connections, connections_max;
	struct connection *turns, *last_turn; /* that have more to do, others first */
	struct connection *closed;            /* to be freed when the batch of events is done */
	uint64_t now_ms;                      /* monotonic, of this batch */
	time_t now;
	char date[DATE_BYTES];
	char *buffer; /* where requests are read into */
	size_t buffer_bytes;
};

#endif
