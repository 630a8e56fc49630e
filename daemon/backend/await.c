/* SPDX-License-Identifier: Apache-2.0 */
/* A backend whose name or port one that leaves still has. */
#include "apply/apply.h"
#include "backend/private.h"
#include "model/leaving.h"

bool backend_await(struct backend *backend)
{
	const struct backend *holder = leaving_holder(backend);
	bool did = backend->awaits;

	backend->awaits = holder != NULL;
	/* Whose the address is: a listener that is opened there meanwhile is found when that one has ended. */
	if (!backend->worker && backend->awaits != did)
		apply_backend_id(backend);
	apply_pool_coming(backend->pool);
	if (holder)
		backend_note(backend, "waits for the end of %s (pid %d), which leaves",
			     holder->name, worker_pid(holder->worker));
	return backend->awaits;
}
