/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed in a configuration, and may still go wrong on this host: for who checks it. */
#ifndef LB_CONF_WARN_H
#define LB_CONF_WARN_H

#include "check/verdict.h"
#include "conf/conf.h"

/* Tells a line for each finding.  instance: that is to run with it. */
void conf_warn(const struct conf *conf, const char *instance, const struct launch_warn *warn);

#endif
