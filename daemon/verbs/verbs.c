/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply/apply.h"
#include "base/addr.h"
#include "base/log.h"
#include "lb/ctl.h"
#include "lbd/reexec.h"
#include "remember/remember.h"
#include "roll/roll.h"
#include "verbs/asked.h"
#include "verbs/handlers.h"

/*
 * Who may ask what; lbd.8 has the same table, and a test asks every verb as a stranger.  A reader is
 * any local user where the socket's mode lets it in: it is told names, addresses, states and counts.
 * Commands, environments, output and the words of the configuration are for those who may change: in
 * what a reading verb shows they are in notes alone, see call_show().
 */
static const struct verb {
	const char *name;
	enum verb_kind {
		READS,   /* for any reader */
		SHOWS,   /* what those alone may see who may change */
		CHANGES, /* for them alone, as what follows */
		BEGINS, /* changes that may go on when this is replied to, or be replied to when over */
	} kind;
	verb_handler *handler;
	const char *words, *flags; /* members that it takes; NULL: none */
} verbs[] = {
	{"attach", CHANGES, verb_attach, "interface mode", NULL},
	{"clear", CHANGES, verb_clear, "name", NULL},
	{"detach", CHANGES, verb_detach, "interface", NULL},
	{"pid", READS, verb_pid, "name", NULL},
	{"pool", READS, verb_pool, "pool", NULL},
	{"pool add", CHANGES, verb_pool_add, "pool address weight max_connections owner", NULL},
	{"pool drain", BEGINS, verb_pool_drain, "pool address timeout", "wait"},
	{"pool remove", BEGINS, verb_pool_remove, "pool address timeout", "force wait"},
	{"pool set", CHANGES, verb_pool_set, "pool address weight", NULL},
	{"pool undrain", CHANGES, verb_pool_undrain, "pool address", NULL},
	{"reexec", BEGINS, verb_reexec, NULL, NULL},
	{"reload", CHANGES, verb_reload, NULL, "force"},
	{"reread", SHOWS, verb_reread, NULL, NULL}, /* quotes a file that may be root's alone */
	{"roll", BEGINS, verb_roll, "pool", "force wait"},
	{"save", CHANGES, verb_save, NULL, NULL},
	{"service", READS, verb_service, NULL, NULL},
	{"service add", CHANGES, verb_service_add, "name protocol address pool", NULL},
	{"service remove", CHANGES, verb_service_remove, "name", NULL},
	{"shutdown", BEGINS, verb_shutdown, NULL, NULL},
	{"signal", CHANGES, verb_signal, "name signal", NULL},
	{"status", READS, verb_status, NULL, NULL},
	{"tail", SHOWS, verb_tail, "name", "follow"}, /* output may hold secrets */
	{"update", CHANGES, verb_reload, NULL, "force"},
	{"version", READS, verb_version, NULL, NULL},
	{"worker", READS, verb_worker, "name", NULL},
	{"worker restart", BEGINS, verb_worker_restart, "name", "force"},
	{"worker start", BEGINS, verb_worker_start, "name", NULL},
	{"worker stop", BEGINS, verb_worker_stop, "name", NULL},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; at && *at; at += strcspn(at, " "), at += strspn(at, " "))
		if (strcspn(at, " ") == length && !strncmp(at, word, length))
			return true;
	return false;
}

/* A number stands for its digits. */
static int take_word(struct call *call, const char *member, json_t *value)
{
	char digits[24];

	if (json_is_string(value))
		return 0;
	if (!json_is_integer(value))
		return error_set(&call->error, -EINVAL,
				 "member %s: neither a string nor a whole number", member);
	snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(value));
	return json_object_set_new(call->message, member, json_string(digits))
		       ? error_set(&call->error, -ENOMEM, "out of memory")
		       : 0;
}

static int refuse_member(struct call *call, const struct verb *verb, const char *member)
{
	const char *words = verb->words ? verb->words : "", *flags = verb->flags ? verb->flags : "";

	return error_set(&call->error, -EINVAL, "%s: takes no member \"%.40s\"; it takes: %s%s%s",
			 verb->name, member, *words || *flags ? words : "none",
			 *words && *flags ? " " : "", flags);
}

/* What is not understood is refused, never passed over: it may have been what mattered. */
static int take_members(struct call *call, const struct verb *verb)
{
	const char *member;
	json_t *value;
	void *next;
	int err = 0;

	json_object_foreach_safe(call->message, next, member, value)
	{
		if (!strcmp(member, "verb"))
			continue;
		if (has_word(verb->words, member))
			err = take_word(call, member, value);
		else if (!has_word(verb->flags, member))
			err = refuse_member(call, verb, member);
		else if (!json_is_boolean(value))
			err = error_set(&call->error, -EINVAL, "member %s: neither true nor false",
					member);
		if (err)
			break;
	}
	return err;
}

/* What would undo it, or wait for what does not come, is refused. */
static bool goes_on_while_stopping(const struct verb *verb)
{
	return verb->kind == READS || verb->handler == verb_shutdown ||
	       verb->handler == verb_tail || verb->handler == verb_signal;
}

static int run_verb(struct call *call, const struct verb *verb)
{
	if (call->lbd->model.stopping && !goes_on_while_stopping(verb))
		return error_set(&call->error, -ESHUTDOWN,
				 "%s: lbd is being stopped, and changes nothing any more; `lbctl "
				 "shutdown` ends the draining",
				 verb->name);
	if (take_members(call, verb)) {
		call->exit_code = LB_CTL_USAGE;
		return -EINVAL;
	}
	apply_now(&call->lbd->model); /* what is replied is what the kernel side does */
	return verb->handler(call);
}

/* DANGER: the reason quotes what was asked for, which must not look like another line's end. */
static void log_refusal(const char *asked, const char *why)
{
	char text[2 * ERROR_TEXT_BYTES + 2] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	if (out) {
		asked_quote(why, ERROR_TEXT_BYTES, out);
		fclose(out);
	}
	log_info("%s: refused: %s", asked, text);
}

/* DANGER: why a reload was refused may quote the configuration, environments too: that is for its client alone. */
static void log_outcome(const struct call *call, const struct verb *verb, const char *asked,
			int err)
{
	if (err < 0 && verb->handler != verb_reload)
		log_refusal(asked, call->error.text);
	else
		log_info("%s: %s", asked,
			 err < 0                ? "refused"
			 : verb->kind == BEGINS ? "begun"
						: "done");
}

/* The client's request may be gone with its reply: who asked what is put down before. */
static void run_and_log(struct call *call, const struct verb *verb)
{
	char asked[ASKED_BYTES];
	int err;

	asked_print(call, verb->name, verb->words, verb->flags, asked);
	err = run_verb(call, verb);
	if (verb->kind >= CHANGES)
		log_outcome(call, verb, asked, err);
	if (err < 0)
		control_refuse(call->request, call->exit_code, call->error.text);
}

/* Who may, besides root. */
static const char *changers(const struct lbd *lbd)
{
	const char *group = lbd->model.conf ? lbd->model.conf->control_group : NULL;

	return group ? group : LB_CTL_GROUP;
}

static void on_request(void *arg, struct control_request *request, json_t *message, bool may_change)
{
	struct verbs *kept = arg;
	struct call call = {.verbs = kept,
			    .lbd = kept->lbd,
			    .request = request,
			    .message = message,
			    .exit_code = LB_CTL_REFUSED,
			    .may_change = may_change};
	const char *name = call_word(&call, "verb", "");
	const struct verb *verb = find_verb(name);

	if (!verb) {
		error_set(&call.error, -EINVAL,
			  "\"%.40s\": no such verb; lbd and lbctl may differ in version "
			  "(`lbctl version`)",
			  name);
		control_refuse(request, LB_CTL_USAGE, call.error.text);
	} else if (verb->kind != READS && !may_change) {
		error_set(&call.error, -EPERM,
			  "%s: only root and members of group %s may do this (try sudo)", name,
			  changers(call.lbd));
		control_refuse(request, LB_CTL_REFUSED, call.error.text);
	} else {
		run_and_log(&call, verb);
	}
}

static void on_gone(void *arg, struct control_request *request)
{
	struct verbs *kept = arg;
	struct lbd *lbd = kept->lbd;

	wait_gone(&kept->waits, request);
	tail_gone(&kept->tails, request);
	reexec_gone(lbd, request);
	for (size_t i = 0; i < lbd->model.pool_count; i++)
		roll_unwatch(lbd->model.pools[i], request);
}

static void on_settle(void *arg)
{
	struct verbs *kept = arg;

	remember_settle(&kept->lbd->model);
}

const struct control_handler *verbs_handler(void)
{
	static const struct control_handler handler = {.request = on_request,
						       .settle = on_settle,
						       .gone = on_gone};

	return &handler;
}
