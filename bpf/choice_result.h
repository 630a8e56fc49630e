/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What choosing and delivering have in common. */
#ifndef LB_CHOICE_RESULT_H
#define LB_CHOICE_RESULT_H

#include <linux/types.h>
#include <stdbool.h>

/* What a choice comes to when it is no backend's id. */
enum {
	CHOICE_NO_BACKEND = -1,
	CHOICE_MAX_CONNECTIONS = -2,
	CHOICE_DEFER = -3, /* nobody now, but somebody is on the way */
};

static __always_inline bool choice_is_at_limit(__u32 connections, __u32 max_connections)
{
	return max_connections && connections >= max_connections;
}

#endif
