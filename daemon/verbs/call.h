/* SPDX-License-Identifier: Apache-2.0 */
/* One request while its verb is carried out, and what of it is read from its members. */
#ifndef LB_CALL_H
#define LB_CALL_H

#include "lbd/lbd.h"
#include "verbs/tails.h"
#include "verbs/waits.h"

/* What the verbs keep from one request to the next. */
struct verbs {
	struct lbd *lbd;
	struct waits waits;
	struct tails tails;
};

struct call {
	struct verbs *verbs;
	struct lbd *lbd; /* the same as verbs->lbd */
	struct control_request *request;
	json_t *message;
	bool may_change;    /* else it is a reader's: see verbs/verbs.c */
	struct error error; /* of a handler that returns a negative errno */
	int exit_code;      /* with such an error; LB_CTL_REFUSED unless set */
};

/* A member of the request, or fallback where there is none. */
const char *call_word(const struct call *call, const char *member, const char *fallback);
bool call_flag(const struct call *call, const char *member);

/* An address or pool member that must be there: -EINVAL or -ENOENT, here as below with a line in call->error. */
int call_backend(struct call *call, struct backend **backend);
int call_pool(struct call *call, struct pool **pool);

/* The request is replied to when all of them are there, see waits.h. */
int call_wait(struct call *call, enum wait_for what, struct backend **backends, size_t count);

/*
 * What lbd shows of itself; steals the view.  Notes are for those who may change: they quote commands, output and the
 * configuration, and name processes of others.
 */
void call_show(struct call *call, json_t *view);

#endif
