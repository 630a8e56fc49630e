/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of interfaces, services, and of the configuration as a whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/json_text.h"
#include "datapath/interfaces.h"
#include "lbd/reload.h"
#include "listeners/listeners.h"
#include "reconcile/nobody.h"
#include "verbs/change.h"
#include "verbs/handlers.h"
#include "verbs/served.h"
#include "view/view.h"

static int do_attach(struct block *root, struct call *call)
{
	return edit_attach(root, call_word(call, "interface", ""), call_word(call, "mode", NULL),
			   &call->error);
}

static void find_tier(void *arg, const struct interfaces_status *status)
{
	const struct interfaces_status *wanted = arg;

	if (!strcmp(status->interface, wanted->interface))
		*(struct interfaces_status *)arg = *status;
}

/*
 * The interface first: a configuration that names one that cannot be attached is not taken on.  It is
 * let go of again, or attached as it was, when what follows fails.
 */
static int attach_and_apply(struct call *call, const struct conf_attach *want, struct conf *conf)
{
	struct interfaces *interfaces = call->lbd->interfaces;
	int err = interfaces_attach(interfaces, want, &call->error);

	if (err) {
		conf_free(conf);
		return err;
	}
	err = change_apply(call, conf);
	if (err) {
		const struct conf *before = call->lbd->model.conf;

		interfaces_reconcile(interfaces, before->attaches, before->attach_count);
	}
	return err;
}

int verb_attach(struct call *call)
{
	const char *interface = call_word(call, "interface", "");
	struct interfaces_status status = {.interface = interface, .tier = "none"};
	const struct conf_attach *want;
	struct conf *conf = NULL;
	int err = change_build(call, do_attach, &conf);

	if (err)
		return err;
	want = conf_find_attach(conf, interface);
	err = attach_and_apply(call, want, conf);
	if (err)
		return err;
	interfaces_each(call->lbd->interfaces, find_tier, &status);
	control_message(call->request, "%s: attached, %s XDP%s%s", interface, status.tier,
			status.note ? ": " : "", status.note ? status.note : "");
	return 0;
}

static int do_detach(struct block *root, struct call *call)
{
	return edit_detach(root, call_word(call, "interface", ""), &call->error);
}

int verb_detach(struct call *call)
{
	return change_and_say(call, do_detach, "detached");
}

int verb_service(struct call *call)
{
	listeners_scan(&call->lbd->model); /* who else listens there */
	call_show(call, view_services(call->lbd));
	return 0;
}

static int do_service_add(struct block *root, struct call *call)
{
	return edit_service_add(root, call_word(call, "name", ""), call_word(call, "address", ""),
				call_word(call, "pool", NULL), &call->error);
}

/* Who else had the clients of that address until now: the service of any address, or NULL. */
static const char *served_by(const struct model *model, const char *address, const char *but)
{
	struct lb_endpoint any;
	struct error ignored;

	if (addr_parse_endpoint(address, &any, &ignored))
		return NULL;
	addr_any(!addr_is_v4(&any.addr), &any.addr);
	for (size_t i = 0; i < model->service_count; i++) {
		const struct conf_service *conf = model->services[i]->conf;

		for (size_t j = 0; j < conf->listen_count; j++)
			if (!memcmp(&conf->listens[j], &any, sizeof(any)))
				return strcmp(conf->name, but) ? conf->name : NULL;
	}
	return NULL;
}

/* The address is another one's by now, whoever served at it: so it is told also of a pool that had nobody before. */
static int add_service(struct call *call)
{
	const struct model *model = &call->lbd->model;
	const char *address = call_word(call, "address", "");
	const char *name = call_word(call, "name", "");
	const char *before = served_by(model, address, name);
	char *other = before ? strdup(before) : NULL;
	int err = change_make(call, do_service_add);

	if (!err)
		served_warn(call, pool_find_service(model, call_word(call, "name", ""))->pool,
			    false);
	if (!err && other)
		control_message(call->request,
				"added: it has the clients of %s now, not service %s", address,
				other);
	else if (!err)
		control_message(call->request, "added");
	free(other);
	return err;
}

int verb_service_add(struct call *call)
{
	const char *protocol = call_word(call, "protocol", "tcp");

	if (strcmp(protocol, "tcp") != 0)
		return error_set(&call->error, -EINVAL, "protocol \"%.40s\": only tcp is served",
				 protocol);
	return add_service(call);
}

static int do_service_remove(struct block *root, struct call *call)
{
	return edit_service_remove(root, call_word(call, "name", ""), &call->error);
}

int verb_service_remove(struct call *call)
{
	return change_and_say(call, do_service_remove, "removed");
}

/* The lines that were written, as an array. */
static json_t *lines_of(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t length = strcspn(text, "\n");

		json_array_append_new(list, json_text_bytes(text, length));
		text += length + (text[length] == '\n');
	}
	return list;
}

static int with_changes(struct call *call, int (*act)(struct lbd *, FILE *, struct error *))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct change_heard heard;
	json_t *unserved;
	int err;

	if (!out)
		return error_set(&call->error, -ENOMEM, "out of memory");
	unserved = view_pools_where(&call->lbd->model, nobody_serves);
	change_hear(&heard);
	err = act(call->lbd, out, &call->error);
	change_tell(&heard, call);
	served_warn_new(call, unserved);
	json_decref(unserved);
	fclose(out);
	if (!err)
		control_reply(call->request, json_pack("{s:o}", "changes", lines_of(text)));
	free(text);
	return err;
}

static int reload_gently(struct lbd *lbd, FILE *changes, struct error *error)
{
	return lbd_reload(lbd, false, changes, error);
}

static int reload_by_force(struct lbd *lbd, FILE *changes, struct error *error)
{
	return lbd_reload(lbd, true, changes, error);
}

int verb_reload(struct call *call)
{
	return with_changes(call, call_flag(call, "force") ? reload_by_force : reload_gently);
}

int verb_reread(struct call *call)
{
	return with_changes(call, lbd_reread);
}
