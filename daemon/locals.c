/* SPDX-License-Identifier: Apache-2.0 */
#include "locals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "addr.h"
#include "log.h"
#include "routes.h"

enum { TRIES = 10 }; /* when addresses change while they are read */

struct list {
	struct lb_local_key *keys; /* sorted, each once */
	size_t count, room;
	bool failed; /* no memory */
};

struct locals {
	struct datapath *dp;
	int watch;
	sd_event_source *source;
	struct list known; /* what the map holds */
	bool is_full;      /* was told */
};

static void list_add(void *arg, const struct lb_local_key *key)
{
	struct list *list = arg;

	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		void *keys = reallocarray(list->keys, room, sizeof(*list->keys));

		list->failed |= !keys;
		if (!keys)
			return;
		list->keys = keys;
		list->room = room;
	}
	list->keys[list->count++] = *key;
}

static void list_free(struct list *list)
{
	free(list->keys);
	*list = (struct list){0};
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_local_key));
}

static void list_sort(struct list *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->keys, list->count, sizeof(*list->keys), by_bytes);
	for (size_t i = 0; i < list->count; i++)
		if (!kept || by_bytes(&list->keys[kept - 1], &list->keys[i]))
			list->keys[kept++] = list->keys[i];
	list->count = kept;
}

static bool list_has(const struct list *list, const struct lb_local_key *key)
{
	return list->count && bsearch(key, list->keys, list->count, sizeof(*key), by_bytes);
}

static int read_routes(struct list *list)
{
	int err = -EINTR;

	for (int i = 0; i < TRIES && err == -EINTR; i++) {
		list_free(list);
		err = routes_each_local(list_add, list);
	}
	list_sort(list);
	return list->failed ? -ENOMEM : err;
}

/* What is gone goes first: it makes room. */
static int write_difference(struct locals *locals, const struct list *now)
{
	int err = 0;

	for (size_t i = 0; i < locals->known.count && !err; i++)
		if (!list_has(now, &locals->known.keys[i]))
			err = datapath_set_local(locals->dp, &locals->known.keys[i], false);
	for (size_t i = 0; i < now->count && !err; i++)
		if (!list_has(&locals->known, &now->keys[i]))
			err = datapath_set_local(locals->dp, &now->keys[i], true);
	return err;
}

static bool is_link_local(const struct lb_addr *addr)
{
	return addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

static bool is_often_meant(const struct lb_local_key *key)
{
	return key->prefix_bits == 128 && !addr_is_loopback(&key->addr) &&
	       !is_link_local(&key->addr);
}

static int write_at_hand(struct locals *locals, const struct list *now)
{
	struct lb_locals_at_hand at_hand = {0};
	size_t counts[2] = {0};

	for (size_t i = 0; i < now->count; i++) {
		bool is_v6 = !addr_is_v4(&now->keys[i].addr);

		if (is_often_meant(&now->keys[i]) && counts[is_v6] < LB_LOCALS_AT_HAND)
			at_hand.addrs[is_v6][counts[is_v6]++] = now->keys[i].addr;
	}
	return datapath_set_locals_at_hand(locals->dp, &at_hand);
}

static void warn_full(struct locals *locals, size_t wanted)
{
	if (!locals->is_full && wanted > LB_MAX_LOCALS)
		log_warning(
			"the host has %zu local addresses and prefixes, of which ingress knows "
			"%d; connections to the others are taken by steer, after the network stack",
			wanted, LB_MAX_LOCALS);
	locals->is_full = wanted > LB_MAX_LOCALS;
}

static int refresh(struct locals *locals)
{
	struct list now = {0};
	int err = read_routes(&now);

	if (!err) {
		warn_full(locals, now.count);
		if (now.count > LB_MAX_LOCALS)
			now.count = LB_MAX_LOCALS;
		err = write_difference(locals, &now);
		if (!err)
			err = write_at_hand(locals, &now);
	}
	if (err) { /* unknown by now; the next time all is compared */
		list_free(&now);
		datapath_each_local(locals->dp, list_add, &now);
		list_sort(&now);
	}
	list_free(&locals->known);
	locals->known = now;
	return err;
}

static int on_change(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	int err;

	(void)source, (void)revents;
	routes_watched(fd);
	err = refresh(arg);
	if (err)
		log_error(
			"cannot follow the host's addresses: %s; connections to new ones are taken "
			"by steer, after the network stack",
			strerror(-err));
	return 0;
}

static int open_all(struct locals *locals, sd_event *event)
{
	int err;

	locals->watch = routes_watch();
	if (locals->watch < 0)
		return locals->watch;
	err = datapath_each_local(locals->dp, list_add, &locals->known);
	list_sort(&locals->known);
	if (!err)
		err = refresh(locals);
	if (!err)
		err = sd_event_add_io(event, &locals->source, locals->watch, EPOLLIN, on_change,
				      locals);
	return err < 0 ? err : 0;
}

int locals_new(sd_event *event, struct datapath *dp, struct locals **out, struct error *error)
{
	struct locals *locals = calloc(1, sizeof(*locals));
	int err;

	if (!locals)
		return error_set(error, -ENOMEM, "out of memory");
	locals->dp = dp;
	err = open_all(locals, event);
	if (err) {
		locals_free(locals);
		return error_set(error, err, "cannot read the host's addresses (rtnetlink): %s",
				 strerror(-err));
	}
	*out = locals;
	return 0;
}

void locals_free(struct locals *locals)
{
	if (!locals)
		return;
	sd_event_source_unref(locals->source);
	if (locals->watch >= 0)
		close(locals->watch);
	list_free(&locals->known);
	free(locals);
}
