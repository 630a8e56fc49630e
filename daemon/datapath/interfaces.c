/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink is only the doorbell here: whatever it says, and when it says that it lost something
 * (ENOBUFS), every wanted interface is looked up by name and compared with what is attached.
 */
#include "datapath/interfaces.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "datapath/interface.h"

struct interfaces {
	struct datapath *dp;
	struct nl_sock *monitor;
	sd_event_source *source;
	struct interface *entries;
};

static struct interface **entry_find(struct interfaces *it, const char *name)
{
	struct interface **at = &it->entries;

	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	return at;
}

static struct interface *entry_new(struct interfaces *it, const struct conf_attach *want)
{
	struct interface **at = entry_find(it, want->interface);

	*at = calloc(1, sizeof(**at));
	if (!*at)
		return NULL;
	snprintf((*at)->name, sizeof((*at)->name), "%s", want->interface);
	(*at)->wanted = want->mode;
	return *at;
}

/* Unlinks and frees it; what is attached stays. */
static void entry_remove(struct interfaces *it, const char *name)
{
	struct interface **at = entry_find(it, name), *entry = *at;

	if (!entry)
		return;
	*at = entry->next;
	free(entry);
}

static int on_link_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct interfaces *it = arg;

	(void)source, (void)fd, (void)revents;
	while (nl_recvmsgs_default(it->monitor) >= 0)
		;
	for (struct interface *e = it->entries; e; e = e->next)
		interface_sync(it->dp, e, false);
	return 0;
}

/* What was received needs no parsing: it only says that something has changed. */
static int on_message(struct nl_msg *msg, void *arg)
{
	(void)msg, (void)arg;
	return NL_SKIP;
}

/* A number of libnl's, which has none for most of what socket(2) fails with: then errno tells more. */
static int monitor_open(struct interfaces *it)
{
	int err;

	it->monitor = nl_socket_alloc();
	if (!it->monitor)
		return -NLE_NOMEM;
	nl_socket_disable_seq_check(it->monitor);
	nl_socket_modify_cb(it->monitor, NL_CB_VALID, NL_CB_CUSTOM, on_message, NULL);
	errno = 0;
	err = nl_connect(it->monitor, NETLINK_ROUTE);
	if (!err)
		err = nl_socket_add_membership(it->monitor, RTNLGRP_LINK);
	if (!err)
		err = nl_socket_set_nonblocking(it->monitor);
	return err;
}

int interfaces_new(sd_event *event, struct datapath *dp, struct interfaces **out,
		   struct error *error)
{
	struct interfaces *it = calloc(1, sizeof(*it));
	int err;

	if (!it)
		return error_set(error, -ENOMEM, "out of memory");
	it->dp = dp;
	err = monitor_open(it);
	if (err) {
		error_set(error, -EIO, "cannot watch interfaces (rtnetlink): %s",
			  errno ? strerror(errno) : nl_geterror(err));
		interfaces_free(it);
		return -EIO;
	}
	err = sd_event_add_io(event, &it->source, nl_socket_get_fd(it->monitor), EPOLLIN,
			      on_link_event, it);
	if (err < 0) {
		interfaces_free(it);
		return error_set(error, err, "cannot watch interfaces: %s", strerror(-err));
	}
	*out = it;
	return 0;
}

void interfaces_free(struct interfaces *it)
{
	if (!it)
		return;
	sd_event_source_unref(it->source);
	nl_socket_free(it->monitor);
	while (it->entries)
		entry_remove(it, it->entries->name);
	free(it);
}

struct wants {
	const struct conf_attach *list;
	size_t count;
	char (*unwanted)[IFNAMSIZ];
	size_t unwanted_count;
	int err;
};

static const struct conf_attach *wants_find(const struct wants *wants, const char *name)
{
	for (size_t i = 0; i < wants->count; i++)
		if (!strcmp(wants->list[i].interface, name))
			return &wants->list[i];
	return NULL;
}

static void unwanted_each(void *arg, const char *interface, int ifindex, enum datapath_mode mode)
{
	struct wants *wants = arg;
	void *grown;

	(void)ifindex, (void)mode;
	if (wants_find(wants, interface))
		return;
	grown = reallocarray(wants->unwanted, wants->unwanted_count + 1, IFNAMSIZ);
	if (!grown) {
		wants->err = -ENOMEM;
		return;
	}
	wants->unwanted = grown;
	snprintf(wants->unwanted[wants->unwanted_count++], IFNAMSIZ, "%s", interface);
}

/* Detaches all that the kernel has attached for us and nobody wants, also from before our start. */
static int detach_unwanted(struct interfaces *it, struct wants *wants)
{
	int err = datapath_each_attached(it->dp, unwanted_each, wants);

	for (size_t i = 0; i < wants->unwanted_count; i++) {
		int failed = datapath_detach(it->dp, wants->unwanted[i]);

		if (failed)
			err = failed;
		else
			log_info("interface %s: detached", wants->unwanted[i]);
	}
	free(wants->unwanted);
	return err ? err : wants->err;
}

int interfaces_reconcile(struct interfaces *it, const struct conf_attach *wants, size_t count)
{
	struct wants w = {.list = wants, .count = count};
	int err = detach_unwanted(it, &w);

	for (struct interface *e = it->entries, *next; e; e = next) {
		next = e->next;
		if (!wants_find(&w, e->name))
			entry_remove(it, e->name);
	}
	for (size_t i = 0; i < count; i++) {
		struct interface *e = *entry_find(it, wants[i].interface);
		bool is_new = !e || e->wanted != (int)wants[i].mode;

		if (!e)
			e = entry_new(it, &wants[i]);
		if (!e)
			return -ENOMEM;
		e->wanted = wants[i].mode;
		interface_sync(it->dp, e, is_new);
	}
	return err;
}

int interfaces_attach(struct interfaces *it, const struct conf_attach *want, struct error *error)
{
	struct interface *e = *entry_find(it, want->interface);
	int err, before = e ? e->wanted : -1, ifindex = if_nametoindex(want->interface);
	char names[INTERFACE_NAMES_BYTES];

	if (!ifindex)
		return error_set(error, -ENODEV, "interface %.16s: there is none; there are: %s%s",
				 want->interface, interface_list_names(names),
				 e ? "; it is attached when it appears" : "");
	if (e && e->attached && e->ifindex == ifindex && before == (int)want->mode)
		return 0;
	if (!e)
		e = entry_new(it, want);
	if (!e)
		return error_set(error, -ENOMEM, "out of memory");
	e->ifindex = ifindex;
	e->wanted = want->mode;
	err = interface_attach(it->dp, e, error);
	if (!err)
		return 0;
	if (before < 0) {
		entry_remove(it, want->interface);
	} else {
		e->wanted = before;
		interface_sync(it->dp, e, true);
	}
	return error_prefix(error, err, "interface %s", want->interface);
}

void interfaces_each(struct interfaces *it,
		     void (*each)(void *arg, const struct interfaces_status *), void *arg)
{
	for (const struct interface *e = it->entries; e; e = e->next) {
		struct interfaces_status status = {
			.interface = e->name,
			.ifindex = e->ifindex,
			.tier = "none",
			.note = e->note[0] ? e->note : NULL,
		};

		if (e->attached)
			status.tier = e->mode == DATAPATH_NATIVE ? "native" : "generic";
		each(arg, &status);
	}
}
