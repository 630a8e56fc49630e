/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed in a configuration, and may still go wrong on this host: for who checks it. */
#ifndef LB_CONF_WARN_H
#define LB_CONF_WARN_H

#include <stdio.h>

#include "conf.h"

/* A line for each finding, each begun with prefix. */
void conf_warn(const struct conf *conf, const char *prefix, FILE *out);

#endif
