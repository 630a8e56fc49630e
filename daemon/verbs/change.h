/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the verbs that change the configuration in force (verbs/config.c, verbs/pool.c): each is an edit of its
 * tree, checked as a file would be, and then put in force.
 */
#ifndef LB_CHANGE_H
#define LB_CHANGE_H

#include <stdio.h>

#include "conf/edit.h"
#include "verbs/call.h"

typedef int edit_function(struct block *root, struct call *call);

/* -errno with a line in call->error, here as below: then nothing has changed. */
int change_build(struct call *call, edit_function *edit, struct conf **conf);
int change_apply(struct call *call, struct conf *conf);  /* takes it */
int change_make(struct call *call, edit_function *edit); /* both */
int change_and_say(struct call *call, edit_function *edit, const char *done);

/* What is warned of meanwhile reaches whoever asked for it, and not the log alone. */
struct change_heard {
	FILE *file;
	char *text;
	size_t size;
};

void change_hear(struct change_heard *heard);
void change_tell(struct change_heard *heard, struct call *call);

#endif
