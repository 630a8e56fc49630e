/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lbd itself keeps of root's capabilities once its programs are loaded; lbd.8 names each with its
 * reason, and a test compares.  A program that lbd starts as root has again all of the bounding set, as
 * capabilities(7) has it: so has the next lbd after a reexec.
 */
#ifndef LB_PRIVILEGES_H
#define LB_PRIVILEGES_H

#include "base/error.h"
#include "conf/conf.h"

/* Gives the others up, but for those that workers of this configuration are to have, or of the next (or NULL). */
int privileges_drop(const struct conf *conf, const struct conf *next, struct error *error);

/* -EPERM with a line: workers of conf are to have what lbd has given up. */
int privileges_check(const struct conf *conf, struct error *error);

#endif
