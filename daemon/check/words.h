/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a configuration that mean something else than who wrote them may think. */
#ifndef LB_CHECK_WORDS_H
#define LB_CHECK_WORDS_H

#include "check/verdict.h"
#include "conf/conf.h"

/* The part of conf_warn() that is for who starts with it or reloads it: what its own words tell, on any host. */
void conf_warn_words(const struct conf *conf, const struct launch_warn *warn);

#endif
