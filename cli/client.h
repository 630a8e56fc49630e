/* SPDX-License-Identifier: Apache-2.0 */
/* lbctl's side of the control socket: one request, its progress, its final reply. */
#ifndef LB_CLIENT_H
#define LB_CLIENT_H

#include <jansson.h>

#include "terminal.h"

struct client_call {
	const json_t *request;
	bool waits; /* lbd may take as long as it needs; else 30 s are enough */
	bool raw;   /* progress is data: to cli->out by cli_put(), not a line to cli->err */
	bool quiet; /* errors are not told */
	int *peer;  /* not NULL: gets a pidfd of the lbd that answers, or -1 */
};

/*
 * Returns LB_CTL_DONE with the final reply in *reply, or after telling why, an exit code: what lbd
 * gave with its refusal, or LB_CTL_NO_LBD.
 */
int client_call(const struct cli *cli, const struct client_call *call, json_t **reply);

/* The data that a verb without words is answered with; NULL where there is none, and nothing is told. */
json_t *client_ask(const struct cli *cli, const char *verb);

#endif
