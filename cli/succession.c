/* SPDX-License-Identifier: Apache-2.0 */
#include "succession.h"

#include <poll.h>
#include <stdbool.h>

#include "base/clock.h"
#include "client.h"
#include "lb/ctl.h"

enum { PAUSE_MS = 20, NEXT_TIMEOUT_US = 60 * 1000 * 1000 };

static bool lbd_answers(const struct cli *cli)
{
	json_t *version = client_ask(cli, "version");
	bool is_there = version;

	json_decref(version);
	return is_there;
}

/* Whether lbd has ended, within so long; poll(2) passes over a descriptor of -1. */
static bool ends_within(int peer, int timeout_ms)
{
	struct pollfd end = {.fd = peer, .events = POLLIN};

	return poll(&end, 1, timeout_ms) > 0;
}

void succession_await_end(const struct cli *cli, int peer)
{
	while (peer < 0 ? lbd_answers(cli) : !ends_within(peer, -1))
		if (peer < 0)
			ends_within(peer, PAUSE_MS);
}

int succession_await_next(const struct cli *cli, int peer)
{
	uint64_t limit_us = clock_us() + NEXT_TIMEOUT_US;

	while (!lbd_answers(cli)) {
		if (ends_within(peer, PAUSE_MS))
			return cli_fail(
				cli, LB_CTL_NO_LBD,
				"lbd has ended instead, and its workers go on without it; see "
				"its log");
		if (clock_us() > limit_us)
			return cli_fail(cli, LB_CTL_NO_LBD, "lbd does not answer yet; see its log");
	}
	return LB_CTL_DONE;
}
