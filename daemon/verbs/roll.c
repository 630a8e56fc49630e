/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `roll`. */
#include "roll/roll.h"

#include <errno.h>
#include <string.h>

#include "model/turn.h"
#include "verbs/handlers.h"

static void roll_progress(void *arg, const char *text)
{
	control_progress(arg, "%s", text);
}

static void roll_done(void *arg, const char *error)
{
	if (error)
		control_refuse(arg, 1, error);
	else
		control_message(arg, "rolled");
}

static int join_roll(struct call *call, struct pool *pool, const struct roll_watcher *watcher)
{
	int err = roll_join(pool, watcher);

	if (err)
		return error_set(&call->error, err, "%s", strerror(-err));
	control_progress(call->request,
			 "pool %s: is being rolled already; waits for the end of that", pool->name);
	return 0;
}

static int say_none(struct call *call, const struct pool *pool)
{
	control_message(
		call->request,
		"pool %s: none of its workers is rolled: they are stopped or drained by command, "
		"and stay so (`lbctl worker %s:*`)",
		pool->name, pool->name);
	return 0;
}

static int refuse_roll(struct call *call, const struct pool *pool, int err)
{
	if (err == -EALREADY)
		return error_set(&call->error, err,
				 "pool %s: is being rolled already (`lbctl roll %s wait` waits for "
				 "its end)",
				 pool->name, pool->name);
	if (err == -ENOENT)
		return error_set(&call->error, err,
				 "pool %s: has no workers of lbd's to roll; its backends are "
				 "started by hand",
				 pool->name);
	return error_set(&call->error, err, "%s", strerror(-err));
}

int verb_roll(struct call *call)
{
	struct roll_watcher watcher = {roll_progress, roll_done, call->request};
	bool waits = call_flag(call, "wait"), forces = call_flag(call, "force");
	struct pool *pool;
	int err = call_pool(call, &pool);

	if (err)
		return err;
	err = roll_start(pool, forces, waits ? &watcher : NULL);
	if (err == -EALREADY && waits && !forces)
		return join_roll(call, pool, &watcher);
	if (err == -ENODATA)
		return say_none(call, pool);
	if (err)
		return refuse_roll(call, pool, err);
	if (!waits && !turn_is_rolling(pool) && *roll_error(pool))
		return error_set(&call->error, -EINVAL, "pool %s: %s", pool->name,
				 roll_error(pool));
	if (!waits)
		control_message(call->request, "rolling (`lbctl worker` shows how far it is)");
	return 0;
}
