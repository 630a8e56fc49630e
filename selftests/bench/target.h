/* SPDX-License-Identifier: Apache-2.0 */
/* Where a load generator connects to. */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct target {
	struct sockaddr_storage addr;
	socklen_t length;
};

/* "ADDR:PORT" or "[ADDR6]:PORT", numeric both.  -1: it is none, and standard error was told so. */
static inline int target_parse(struct target *target, const char *text)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	char host[128] = "", *colon = NULL;
	struct addrinfo *found;
	bool bracket;

	if (strlen(text) < sizeof(host)) {
		strcpy(host, text);
		colon = strrchr(host, ':');
	}
	if (colon) {
		*colon = '\0';
		bracket = *host == '[' && colon[-1] == ']';
		if (bracket)
			colon[-1] = '\0';
		if (!getaddrinfo(host + bracket, colon + 1, &hints, &found)) {
			memcpy(&target->addr, found->ai_addr, found->ai_addrlen);
			target->length = found->ai_addrlen;
			freeaddrinfo(found);
			return 0;
		}
	}
	fprintf(stderr, "target '%s' is no ADDR:PORT, such as 127.0.0.1:8081 or [::1]:8081\n",
		text);
	return -1;
}

#endif
