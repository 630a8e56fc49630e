/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports that the kernel draws from for who asks for none: net.ipv4.ip_local_port_range without
 * net.ipv4.ip_local_reserved_ports, of both families (Documentation/networking/ip-sysctl.rst).
 */
#ifndef LB_EPHEMERAL_H
#define LB_EPHEMERAL_H

#include <stdbool.h>
#include <stdint.h>

/* Ports in host order. */
struct ephemeral {
	uint16_t first, last;
	bool reserved[UINT16_MAX + 1];
};

/* Of this network namespace, as it is now; the kernel's defaults where that is not to be had. */
void ephemeral_read(struct ephemeral *ephemeral);
bool ephemeral_has(const struct ephemeral *ephemeral, uint16_t port);

#endif
