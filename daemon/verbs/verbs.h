/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out control requests: a table of verbs, with the rights that each asks for. */
#ifndef LB_VERBS_TABLE_H
#define LB_VERBS_TABLE_H

#include "verbs/call.h"

const struct control_handler *verbs_handler(void); /* arg: struct verbs */

#endif
