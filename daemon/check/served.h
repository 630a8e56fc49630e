/* SPDX-License-Identifier: Apache-2.0 */
/* Whom is nobody served by, though all is written well? */
#ifndef LB_CHECK_SERVED_H
#define LB_CHECK_SERVED_H

#include "check/verdict.h"
#include "conf/conf.h"

/*
 * The part of conf_warn() that is for who starts with it or reloads it, too: services that are at no
 * address of this host, whose pool is empty, or takes no client of a family.
 */
void conf_warn_served(const struct conf *conf, const struct launch_warn *warn);

/* Pools that no service names: on purpose perhaps, for the next one; for who checks alone. */
void conf_warn_unnamed(const struct conf *conf, const struct launch_warn *warn);

#endif
