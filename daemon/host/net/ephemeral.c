/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/ephemeral.h"

#include <stdio.h>
#include <string.h>

#define SETTINGS "/proc/sys/net/ipv4/"

enum { DEFAULT_FIRST = 32768, DEFAULT_LAST = 60999 };

static void read_range(struct ephemeral *ephemeral)
{
	FILE *file = fopen(SETTINGS "ip_local_port_range", "re");
	unsigned first, last;

	ephemeral->first = DEFAULT_FIRST;
	ephemeral->last = DEFAULT_LAST;
	if (!file)
		return;
	if (fscanf(file, "%u %u", &first, &last) == 2 && first <= last && last <= UINT16_MAX) {
		ephemeral->first = first;
		ephemeral->last = last;
	}
	fclose(file);
}

/* "8080,20000-20010", or empty. */
static void read_reserved(struct ephemeral *ephemeral)
{
	FILE *file = fopen(SETTINGS "ip_local_reserved_ports", "re");
	unsigned first, last;

	memset(ephemeral->reserved, 0, sizeof(ephemeral->reserved));
	if (!file)
		return;
	while (fscanf(file, "%u", &first) == 1) {
		last = first;
		if (fscanf(file, "-%u", &last) < 0 && ferror(file))
			break;
		for (unsigned port = first; port <= last && port <= UINT16_MAX; port++)
			ephemeral->reserved[port] = true;
		if (fgetc(file) != ',')
			break;
	}
	fclose(file);
}

void ephemeral_read(struct ephemeral *ephemeral)
{
	read_range(ephemeral);
	read_reserved(ephemeral);
}

bool ephemeral_has(const struct ephemeral *ephemeral, uint16_t port)
{
	return port >= ephemeral->first && port <= ephemeral->last && !ephemeral->reserved[port];
}
