/* SPDX-License-Identifier: Apache-2.0 */
/* The FIFOs that the keeper of the output has, each by itself; for keeping/output.c alone. */
#ifndef LB_KEEP_HELD_H
#define LB_KEEP_HELD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "output/flow.h"

/* A FIFO that somebody may still write to. */
struct held {
	LIST_ENTRY(held) link;
	struct stat st;
	uint64_t number; /* see KEEPER_SOCKET */
	int fd;          /* -1: flow has it */
	char *note;
	sd_event_source *hung;    /* until it is read */
	struct output_flow *flow; /* from then on */
	bool is_left;             /* to us: lbd could not write it */
};

LIST_HEAD(held_list, held);

struct held *held_find(const struct held_list *list, uint64_t number); /* NULL: none */
bool held_has_file(const struct held_list *list, const struct stat *st);
unsigned held_count_left(const struct held_list *list);

/*
 * Takes fd over, and lets go of it when nobody else has it open and nothing is in it, until held_read().  NULL: no
 * memory.
 */
struct held *held_new(sd_event *event, struct held_list *list, int fd, uint64_t number,
		      const char *note);
void held_free(struct held *held);

/* Reads on from now on.  -errno. */
int held_read(sd_event *event, struct held *held);

/* It is not read any more, and has its descriptor again. */
void held_stop_reading(struct held *held);

/*
 * Whether nobody else can come to it: the worker has ended, and it has no name by which the next lbd would find
 * what is in it.
 */
bool held_is_ours(const struct held *held);

/* Without an event loop: whether it is drained, or given up as it is late, which is said. */
bool held_drain(struct held *held, bool is_late);

#endif
