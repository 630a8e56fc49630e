/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that change the configuration in force: each is an edit of its tree, then reconciled. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "backend.h"
#include "conf_table.h"
#include "edit.h"
#include "json_text.h"
#include "log.h"
#include "nobody.h"
#include "sockets.h"
#include "view.h"

typedef int edit_function(struct block *root, struct call *call);

/* An edited clone, checked as a file would be. */
static int edited(struct call *call, edit_function *edit, struct conf **conf)
{
	struct block *root = block_clone(call->lbd->model.conf->root);
	int err;

	if (!root)
		return error_set(&call->error, -ENOMEM, "out of memory");
	err = edit(root, call);
	if (!err)
		err = conf_build(root, conf, &call->error);
	if (err)
		block_free(root);
	return err;
}

/* What is warned of meanwhile reaches whoever asked for it, and not the log alone. */
struct heard {
	FILE *file;
	char *text;
	size_t size;
};

static void hear(struct heard *heard)
{
	*heard = (struct heard){0};
	heard->file = open_memstream(&heard->text, &heard->size);
	log_also(heard->file);
}

static void hand_on(struct heard *heard, struct call *call)
{
	char *rest;

	log_also(NULL);
	if (!heard->file || fclose(heard->file))
		heard->size = 0;
	rest = heard->size ? heard->text : NULL;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line)
			control_progress(call->request, "warning: %s", line);
	free(heard->text);
}

static int follow(struct call *call, struct conf *conf)
{
	struct heard heard;
	int err;

	hear(&heard);
	err = lbd_follow(call->lbd, conf, &call->error);
	hand_on(&heard, call);
	if (err)
		conf_free(conf);
	return err;
}

/* All of it or nothing. */
static int change(struct call *call, edit_function *edit)
{
	struct conf *conf = NULL;
	int err = edited(call, edit, &conf);

	return err ? err : follow(call, conf);
}

static int change_and_say(struct call *call, edit_function *edit, const char *done)
{
	int err = change(call, edit);

	if (!err)
		control_message(call->request, "%s", done);
	return err;
}

static int do_attach(struct block *root, struct call *call)
{
	return edit_attach(root, answer_word(call, "interface", ""),
			   answer_word(call, "mode", NULL), &call->error);
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
static int attach(struct call *call, const struct conf_attach *want, struct conf *conf)
{
	struct interfaces *interfaces = call->lbd->interfaces;
	int err = interfaces_attach(interfaces, want, &call->error);

	if (err) {
		conf_free(conf);
		return err;
	}
	err = follow(call, conf);
	if (err) {
		const struct conf *before = call->lbd->model.conf;

		interfaces_reconcile(interfaces, before->attaches, before->attach_count);
	}
	return err;
}

int verb_attach(struct call *call)
{
	const char *interface = answer_word(call, "interface", "");
	struct interfaces_status status = {.interface = interface, .tier = "none"};
	const struct conf_attach *want;
	struct conf *conf = NULL;
	int err = edited(call, do_attach, &conf);

	if (err)
		return err;
	want = conf_find_attach(conf, interface);
	err = attach(call, want, conf);
	if (err)
		return err;
	interfaces_each(call->lbd->interfaces, find_tier, &status);
	control_message(call->request, "%s: attached, %s XDP%s%s", interface, status.tier,
			status.note ? ": " : "", status.note ? status.note : "");
	return 0;
}

static int do_detach(struct block *root, struct call *call)
{
	return edit_detach(root, answer_word(call, "interface", ""), &call->error);
}

int verb_detach(struct call *call)
{
	return change_and_say(call, do_detach, "detached");
}

int verb_service(struct call *call)
{
	control_reply(call->request, view_services(call->lbd));
	return 0;
}

static int do_service_add(struct block *root, struct call *call)
{
	return edit_service_add(root, answer_word(call, "name", ""),
				answer_word(call, "address", ""), answer_word(call, "pool", NULL),
				&call->error);
}

int verb_service_add(struct call *call)
{
	const char *protocol = answer_word(call, "protocol", "tcp");

	if (strcmp(protocol, "tcp") != 0)
		return error_set(&call->error, -EINVAL, "protocol \"%.40s\": only tcp is served",
				 protocol);
	return change_and_say(call, do_service_add, "added");
}

static int do_service_remove(struct block *root, struct call *call)
{
	return edit_service_remove(root, answer_word(call, "name", ""), &call->error);
}

int verb_service_remove(struct call *call)
{
	return change_and_say(call, do_service_remove, "removed");
}

int verb_pool(struct call *call)
{
	control_reply(call->request, view_pools(call->lbd, call->may_change));
	return 0;
}

static int do_pool_add(struct block *root, struct call *call)
{
	return edit_backend_add(root, answer_word(call, "pool", "default"),
				answer_word(call, "address", ""), answer_word(call, "weight", NULL),
				answer_word(call, "max_connections", NULL),
				answer_word(call, "owner", NULL), &call->error);
}

int verb_pool_add(struct call *call)
{
	struct backend *backend;
	int err = change(call, do_pool_add);

	if (err)
		return err;
	if (answer_backend(call, &backend))
		control_message(call->request, "added");
	else
		control_message(call->request, "added: %s%s%s", state_name(backend->state),
				backend->note[0] ? ", " : "", backend->note);
	return 0;
}

static int do_pool_remove(struct block *root, struct call *call)
{
	const char *address = answer_word(call, "address", NULL);
	const char *pool = answer_word(call, "pool", NULL);
	struct backend *backend;
	int err;

	if (!address)
		return edit_pool_remove(root, pool ? pool : "", &call->error);
	err = answer_backend(call, &backend);
	if (err)
		return err;
	return edit_backend_remove(root, backend->pool->name, address, &call->error);
}

/* "30s", "500ms", "2m", as in the configuration. */
static int drain_timeout(struct call *call, const struct backend *backend, uint64_t *timeout_us)
{
	const char *text = answer_word(call, "timeout", NULL);
	uint64_t ms = backend->pool->conf->drain_timeout_ms;

	if (text && conf_parse_ms(text, UINT32_MAX, &ms))
		return error_set(&call->error, -EINVAL,
				 "timeout \"%s\": not a duration such as 500ms, 30s or 5m", text);
	*timeout_us = ms * 1000ULL;
	return 0;
}

/* Its connections may go on for as long as the request says, else for its pool's drain_timeout. */
int verb_pool_remove(struct call *call)
{
	struct model *model = &call->lbd->model;
	struct backend *backend = NULL;
	char pool[BACKEND_NAME_BYTES] = "";
	bool was_so = false;
	int err = 0;

	if (answer_word(call, "address", NULL)) {
		err = answer_backend(call, &backend);
		if (!err) {
			snprintf(pool, sizeof(pool), "%s", backend->pool->name);
			was_so = nobody_serves(backend->pool);
		}
		if (!err && answer_word(call, "timeout", NULL))
			err = drain_timeout(call, backend, &backend->leave_timeout_us);
	}
	if (!err)
		err = change(call, do_pool_remove);
	if (err)
		return err;
	answer_nobody(call, pool_find(model, pool), was_so);
	for (struct backend *at = model->leaving; at && answer_flag(call, "wait"); at = at->next)
		if (at == backend)
			return wait_add(&call->lbd->waits, call->request, WAIT_DRAINED, &backend,
					1);
	control_message(call->request, "removed");
	return 0;
}

static int do_drain_word(struct block *root, struct call *call)
{
	struct backend *backend;
	int err = answer_backend(call, &backend);

	if (err)
		return err;
	return edit_backend_drain(root, backend->pool->name, answer_word(call, "address", ""),
				  !strcmp(answer_word(call, "verb", ""), "pool drain"));
}

/* A worker has no line of its own in the configuration: there it is a state, until it is undrained. */
static int save_drain_word(struct call *call, struct backend *backend, bool drain)
{
	if (backend->worker)
		return 0;
	backend->drain_asked = drain;
	return change(call, do_drain_word);
}

int verb_pool_drain(struct call *call)
{
	struct backend *backend;
	uint64_t timeout_us = 0;
	int err = answer_backend(call, &backend);
	bool was_so;

	if (!err)
		err = drain_timeout(call, backend, &timeout_us);
	if (err)
		return err;
	was_so = nobody_serves(backend->pool);
	if (backend_keep_out(backend, timeout_us) && backend->state != STATE_DRAINED)
		return error_set(&call->error, -EINVAL, "%s: %s: there is nothing to drain",
				 backend->name, state_name(backend->state));
	err = save_drain_word(call, backend, true);
	if (err)
		return err;
	answer_nobody(call, backend->pool, was_so);
	if (answer_flag(call, "wait"))
		return wait_add(&call->lbd->waits, call->request, WAIT_DRAINED, &backend, 1);
	if (backend->worker && !state_has_process(backend->state))
		control_message(call->request,
				"%s: drained from its start on, until `lbctl pool undrain`",
				state_name(backend->state));
	else
		control_message(call->request, "%s: %u connections open",
				state_name(backend->state), backend_connections(backend));
	return 0;
}

int verb_pool_undrain(struct call *call)
{
	struct backend *backend;
	int err = answer_backend(call, &backend);

	if (err)
		return err;
	if (backend_put_back(backend))
		return error_set(&call->error, -EALREADY, "%s: is %s, not drained", backend->name,
				 state_name(backend->state));
	err = save_drain_word(call, backend, false);
	if (!err)
		control_message(call->request, "%s", state_name(backend->state));
	return err;
}

/* The lines that were written, as an array. */
static json_t *lines(const char *text)
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
	struct heard heard;
	int err;

	if (!out)
		return error_set(&call->error, -ENOMEM, "out of memory");
	hear(&heard);
	err = act(call->lbd, out, &call->error);
	hand_on(&heard, call);
	fclose(out);
	if (!err)
		control_reply(call->request, json_pack("{s:o}", "changes", lines(text)));
	free(text);
	return err;
}

static int reload(struct lbd *lbd, FILE *changes, struct error *error)
{
	return lbd_reload(lbd, false, changes, error);
}

static int reload_by_force(struct lbd *lbd, FILE *changes, struct error *error)
{
	return lbd_reload(lbd, true, changes, error);
}

int verb_reload(struct call *call)
{
	return with_changes(call, answer_flag(call, "force") ? reload_by_force : reload);
}

int verb_reread(struct call *call)
{
	return with_changes(call, lbd_reread);
}
