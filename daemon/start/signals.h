/* SPDX-License-Identifier: Apache-2.0 */
/* What lbd is asked by signals: to stop (TERM, INT), to reload (HUP), to open its log anew (USR1). */
#ifndef LB_SIGNALS_H
#define LB_SIGNALS_H

struct lbd;

/* From now on they come by the event loop alone; SIGPIPE never.  -errno. */
int signals_watch(struct lbd *lbd);

#endif
