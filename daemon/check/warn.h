/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed in a configuration, and may still go wrong on this host: for who checks it. */
#ifndef LB_CONF_WARN_H
#define LB_CONF_WARN_H

#include "check/launch.h"

/* Tells a line for each finding.  instance: that is to run with it. */
void conf_warn(const struct conf *conf, const char *instance, const struct launch_warn *warn);

/* The part of it that is for who starts with it, too: by what its workers can hold lbd up. */
void conf_warn_held_up(const struct conf *conf, const struct launch_warn *warn);

/* The part that is for who starts with it or reloads it: what its own words tell, on any host. */
void conf_warn_words(const struct conf *conf, const struct launch_warn *warn);

/*
 * The part that is for who starts with it or reloads it, too: services that are at no address of this host, or whose
 * pool is empty.
 */
void conf_warn_served(const struct conf *conf, const struct launch_warn *warn);

/* Pools that no service names: on purpose perhaps, for the next one; for who checks alone. */
void conf_warn_unnamed(const struct conf *conf, const struct launch_warn *warn);

#endif
