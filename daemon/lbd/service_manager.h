/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lbd says to the service manager that started it (systemd, or whoever set NOTIFY_SOCKET), in the words of
 * sd_notify(3), which waits for as long as nobody reads: this never does.  What finds no room is kept and sent
 * in its order once there is; nothing is said without NOTIFY_SOCKET.  One for each process.
 */
#ifndef LB_SERVICE_MANAGER_H
#define LB_SERVICE_MANAGER_H

#include <systemd/sd-event.h>

/* "READY=1": one assignment.  A later one of the same name takes the place of one that still waits. */
void service_manager_tell(sd_event *event, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Before event goes: what waits still is sent if there is room now, and then dropped. */
void service_manager_end(void);

#endif
