/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/locals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/log.h"
#include "host/net/local_keys.h"
#include "host/net/routes.h"

struct locals {
	struct datapath *dp;
	int watch;
	sd_event_source *source;
	struct local_keys known; /* what the map holds */
	bool is_full;            /* was told */
};

/* What is gone goes first: it makes room. */
static int write_difference(struct locals *locals, const struct local_keys *now)
{
	int err = 0;

	for (size_t i = 0; i < locals->known.count && !err; i++)
		if (!local_keys_has(now, &locals->known.keys[i]))
			err = datapath_set_local(locals->dp, &locals->known.keys[i], false);
	for (size_t i = 0; i < now->count && !err; i++)
		if (!local_keys_has(&locals->known, &now->keys[i]))
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

static int write_at_hand(struct locals *locals, const struct local_keys *now)
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

static int refresh_locals(struct locals *locals)
{
	struct local_keys now = {0};
	int err = local_keys_read(&now);

	if (!err) {
		warn_full(locals, now.count);
		if (now.count > LB_MAX_LOCALS)
			now.count = LB_MAX_LOCALS;
		err = write_difference(locals, &now);
		if (!err)
			err = write_at_hand(locals, &now);
	}
	if (err) { /* unknown by now; the next time all is compared */
		local_keys_free(&now);
		datapath_each_local(locals->dp, local_keys_add, &now);
		local_keys_sort(&now);
	}
	local_keys_free(&locals->known);
	locals->known = now;
	return err;
}

static int on_change(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	int err;

	(void)source, (void)revents;
	routes_watched(fd);
	err = refresh_locals(arg);
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
	err = datapath_each_local(locals->dp, local_keys_add, &locals->known);
	local_keys_sort(&locals->known);
	if (!err)
		err = refresh_locals(locals);
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
	local_keys_free(&locals->known);
	free(locals);
}
