/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs about lbd itself. */
#include "lbd/reexec.h"
#include "lbd/stop.h"
#include "listeners/listeners.h"
#include "verbs/handlers.h"
#include "view/view.h"

int verb_status(struct call *call)
{
	listeners_scan(&call->lbd->model);
	call_show(call, view_status(call->lbd));
	return 0;
}

int verb_version(struct call *call)
{
	control_reply(call->request, json_pack("{s:s}", "version", LB_VERSION));
	return 0;
}

/* Replied to when all is done: a client that hears nothing knows that lbd was killed before. */
int verb_shutdown(struct call *call)
{
	control_progress(call->request, "stopping");
	control_await_end(call->request);
	lbd_stop(call->lbd);
	return 0;
}

int verb_reexec(struct call *call)
{
	return reexec_begin(call->lbd, call->request, &call->error);
}
