/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that lbctl does by itself. */
#ifndef LB_COMMANDS_H
#define LB_COMMANDS_H

#include <jansson.h>

#include "terminal.h"

int commands_version(const struct cli *cli, const json_t *request);
int commands_check(const struct cli *cli, const json_t *request);
int commands_import(const struct cli *cli, const json_t *request);

#endif
