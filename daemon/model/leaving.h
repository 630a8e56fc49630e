/* SPDX-License-Identifier: Apache-2.0 */
/* Who leaves and still has the name or the port of another backend, which awaits its end: see leave.h. */
#ifndef LB_LEAVING_H
#define LB_LEAVING_H

#include <stdbool.h>

struct backend;

/* Who leaves and has that backend's name or port still; NULL: nobody. */
struct backend *leaving_holder(const struct backend *backend);

/*
 * Will somebody, of one that a plan adds, before anything of it is followed: with those that will leave by that plan,
 * which are not `kept`.
 */
bool leaving_will_hold(const struct backend *backend);

#endif
