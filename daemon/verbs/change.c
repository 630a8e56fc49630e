/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "lbd/in_force.h"

/* An edited clone, checked as a file would be. */
int change_build(struct call *call, edit_function *edit, struct conf **conf)
{
	struct block *root = block_clone(call->lbd->model.conf->root);
	int err;

	if (!root)
		return error_set(&call->error, -ENOMEM, "out of memory");
	err = edit(root, call);
	if (!err)
		err = conf_build_change(root, call->lbd->model.conf, conf, &call->error);
	if (err)
		block_free(root);
	return err;
}

void change_hear(struct change_heard *heard)
{
	*heard = (struct change_heard){0};
	heard->file = open_memstream(&heard->text, &heard->size);
	log_also(heard->file);
}

void change_tell(struct change_heard *heard, struct call *call)
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

int change_apply(struct call *call, struct conf *conf)
{
	struct change_heard heard;
	int err;

	change_hear(&heard);
	err = lbd_apply_conf(call->lbd, conf, LBD_CHANGES, &call->error);
	if (!err)
		lbd_write_running(call->lbd);
	change_tell(&heard, call);
	if (err)
		conf_free(conf);
	return err;
}

/* All of it or nothing. */
int change_make(struct call *call, edit_function *edit)
{
	struct conf *conf = NULL;
	int err = change_build(call, edit, &conf);

	return err ? err : change_apply(call, conf);
}

int change_and_say(struct call *call, edit_function *edit, const char *done)
{
	int err = change_make(call, edit);

	if (!err)
		control_message(call->request, "%s", done);
	return err;
}
