/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interfaces that ingress is (to be) attached to: keeps what the configuration wants and what
 * rtnetlink (libnl) says in step.  One that is not there yet, or vanishes, is attached when it appears.
 */
#ifndef LB_INTERFACES_H
#define LB_INTERFACES_H

#include <systemd/sd-event.h>

#include "base/error.h"
#include "conf/conf.h"
#include "datapath/datapath.h"

struct interfaces;

int interfaces_new(sd_event *event, struct datapath *dp, struct interfaces **out,
		   struct error *error);
void interfaces_free(struct interfaces *it); /* leaves links attached; takes NULL */

/*
 * Makes the attached set equal to wants: attaches what is new (native, else generic with a warning
 * in the log, unless the mode is fixed), detaches what is not named any more.  Interfaces that do not
 * exist are waited for, with a warning; those that cannot be attached are logged with the reason.
 */
int interfaces_reconcile(struct interfaces *it, const struct conf_attach *wants, size_t count);

/* Tries one now, for `lbctl attach`: 0, or -errno with a line (no such interface: names those there). */
int interfaces_attach(struct interfaces *it, const struct conf_attach *want, struct error *error);

struct interfaces_status {
	const char *interface;
	int ifindex;      /* 0: not there */
	const char *tier; /* "native", "generic", "none" */
	const char *note; /* why it is not native, or what is waited for; NULL */
};
void interfaces_each(struct interfaces *it,
		     void (*each)(void *arg, const struct interfaces_status *), void *arg);

#endif
