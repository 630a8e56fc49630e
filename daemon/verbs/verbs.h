/* SPDX-License-Identifier: Apache-2.0 */
/* Answers control requests: a table of verbs, with rights and handlers.  Handlers are in this room, by their noun. */
#ifndef LB_ANSWER_H
#define LB_ANSWER_H

#include "lbd/lbd.h"

/* One request being handled. */
struct call {
	struct lbd *lbd;
	struct control_request *request;
	json_t *message;
	bool may_change;    /* else it is a reader's: see verbs/verbs.c */
	struct error error; /* of a handler that returns a negative errno */
	int exit_code;      /* with such an error; LB_CTL_REFUSED unless set */
};

/* Returns 0 when it has replied or will, else -errno with call->error set. */
typedef int verb_handler(struct call *call);

const struct control_handler *answer_handler(void); /* arg: struct lbd */

/* A member of the request, or fallback where there is none. */
const char *answer_word(const struct call *call, const char *member, const char *fallback);
bool answer_flag(const struct call *call, const char *member);

/*
 * verbs/asked.c: "pool drain web 127.0.0.1:8081 wait, by root (uid 0)", from the members that the verb takes; values
 * are cut, quoted where they could be taken for words of the line, and not made printable: the log does that.  The
 * room is for five values of which each byte has a backslash: who asked comes last, and is never cut.
 */
enum { ANSWER_ASKED_BYTES = 1024 };
void answer_asked(const struct call *call, const char *verb, const char *words, const char *flags,
		  char text[ANSWER_ASKED_BYTES]);

/* In quotes, these and backslashes in it with a backslash; no more of it than so many bytes. */
void answer_quote(const char *text, size_t most, FILE *out);

/*
 * What lbd shows of itself; steals the view.  Notes are for those who may change: they quote commands, output and the
 * configuration, and name processes of others.
 */
void answer_view(struct call *call, json_t *view);

/* An address or pool member that must be there: -EINVAL with a line. */
int answer_backend(struct call *call, struct backend **backend);
int answer_pool(struct call *call, struct pool **pool);

/*
 * verbs/served.c: warns who asked where the pool has nobody to serve now; was_so: before the command, too.  Takes no
 * pool.
 */
void answer_nobody(struct call *call, const struct pool *pool, bool was_so);
/* The same of every pool that is not among those names. */
void answer_nobody_new(struct call *call, const json_t *before);
/* A verb has made the pool, perhaps by a slip: says so where no service names it. */
void answer_new_pool(struct call *call, const char *name);

verb_handler verb_attach, verb_detach;
verb_handler verb_service, verb_service_add, verb_service_remove;
verb_handler verb_pool, verb_pool_add, verb_pool_remove, verb_pool_drain, verb_pool_undrain;
verb_handler verb_worker, verb_worker_start, verb_worker_stop, verb_worker_restart;
verb_handler verb_roll, verb_signal, verb_tail, verb_clear, verb_pid;
verb_handler verb_status, verb_version, verb_reload, verb_reread, verb_save, verb_reexec,
	verb_shutdown;

#endif
