/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between lbd and lbctl: JSON objects, one a line (UTF-8, ended by '\n'), over a Unix
 * stream socket, /run/lbd/INSTANCE/control.
 *
 * Request:  {"verb": "pool add", "pool": "web", "address": "127.0.0.1:8081", "weight": "2"}
 *           The other members are what the verb's usage in lbctl's table names, as strings: IFACE is
 *           "interface", ADDR:PORT "address", POOL "pool", SIG "signal", NAME "name", tcp "protocol",
 *           native|generic "mode"; `weight N` is "weight", and so on; a flag word is true ("wait";
 *           "follow" for -f).  A whole number is as good as its digits.  A member that the verb does not
 *           take, or of another type, is refused, with LB_CTL_USAGE.
 * Replies:  any number of {"progress": "text"} while a verb that waits goes on, then one of
 *           {"ok": true, "data": ...}          data is what `lbctl -j` prints; absent when none
 *           {"ok": true, "message": "text"}    one line for a person
 *           {"ok": false, "error": "text", "exit": 1}
 *
 * That of `shutdown` is lbd's last act: a connection that ends without it tells that lbd was killed before.
 * A client may send the next request after the final reply.  Who may do what is decided by
 * SO_PEERCRED: root and members of the group `lbd` may change; all others may read, where the socket's
 * mode lets them in at all.
 */
#ifndef LB_CTL_H
#define LB_CTL_H

#define LB_CTL_RUN_DIR  "/run/lbd"
#define LB_CTL_SOCKET   "control"
#define LB_CTL_INSTANCE "default"
#define LB_CTL_GROUP    "lbd"

enum {
	LB_CTL_REQUEST_MAX = 65536, /* bytes of a request, its newline included */
};

/* Exit codes of lbctl; `exit` in a refusal is LB_CTL_REFUSED or one of LSB's for worker status. */
enum lb_ctl_exit {
	LB_CTL_DONE = 0,
	LB_CTL_REFUSED = 1,
	LB_CTL_USAGE = 2,
	LB_CTL_NO_LBD = 3,
	LB_CTL_NOT_RUNNING = 3, /* LSB 5.0, 22.2 "Init Script Actions": status */
};

#endif
