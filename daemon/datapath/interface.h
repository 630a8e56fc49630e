/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One interface that ingress is wanted on: whether it is there, in which mode it is attached, and why not in a better
 * one.  What is attached or fails is logged here.  For datapath/interfaces.c alone.
 */
#ifndef LB_INTERFACE_H
#define LB_INTERFACE_H

#include <net/if.h>
#include <stdbool.h>

#include "base/error.h"
#include "datapath/datapath.h"

enum { INTERFACE_NAMES_BYTES = 200 };

struct interface {
	struct interface *next;
	char name[IFNAMSIZ];
	int wanted;  /* ATTACH_* */
	int ifindex; /* that it was last tried on; 0: not there */
	int err;     /* of that try */
	bool attached;
	enum datapath_mode mode;
	char note[ERROR_TEXT_BYTES];
};

/* Attaches it to what has its name now, ->ifindex; -errno with a line, which is its note, too. */
int interface_attach(struct datapath *dp, struct interface *interface, struct error *error);

/*
 * Looks it up by its name and attaches it if it is another one by now, or is_new.  A try that failed for another's
 * program is made again, in case the other has left.
 */
void interface_sync(struct datapath *dp, struct interface *interface, bool is_new);

/* "lo, eth1": those of this host, some of them where they are many; for messages. */
const char *interface_list_names(char text[INTERFACE_NAMES_BYTES]);

#endif
