/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies for a person.  A renderer gets the data of the reply and returns lbctl's exit code.  Members
 * that are missing or unknown do no harm: lbd may be of another version.
 */
#ifndef LB_RENDER_H
#define LB_RENDER_H

#include <jansson.h>

#include "terminal.h"

typedef int render_fn(const struct cli *cli, const json_t *request, const json_t *data);

render_fn render_pools;
render_fn render_services;
render_fn render_workers;
render_fn render_status;
render_fn render_changes; /* of the configuration: a line for each */
render_fn render_plain;   /* whatever it is, a line for each item */
render_fn render_text;    /* a string as it is */

#endif
