/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef LB_PICK_RESULT_H
#define LB_PICK_RESULT_H

/* What a choice comes to when it is no backend's id. */
enum {
	PICK_NO_BACKEND = -1,
	PICK_MAX_CONNECTIONS = -2,
	PICK_DEFER = -3, /* nobody now, but somebody is on the way */
};

#endif
