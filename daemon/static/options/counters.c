// SPDX-License-Identifier: Apache-2.0
#include "static/options/counters.h"

#include "static/options/written.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct counters blank = {
	.connections_accepted = {"connections_accepted", 0},
	.connections_open = {"connections_open", 0},
	.connections_evicted = {"connections_evicted", 0},
	.accept_paused = {"accept_paused", 0},
	.requests = {"requests", 0},
	.responses_2xx = {"responses_2xx", 0},
	.responses_3xx = {"responses_3xx", 0},
	.responses_4xx = {"responses_4xx", 0},
	.responses_5xx = {"responses_5xx", 0},
	.bytes_sent = {"bytes_sent", 0},
	.cache_hits = {"cache_hits", 0},
	.cache_misses = {"cache_misses", 0},
	.timeouts = {"timeouts", 0},
	.aborted = {"aborted", 0},
};

int counters_open(struct counters **counters, const struct options *options, struct fault *fault)
{
	const char *path = options->counters;
	static struct counters own;
	void *mapped;
	bool is_new;
	int fd;

	own = blank;
	*counters = &own;
	if (!path)
		return 0;
	is_new = access(path, F_OK);
	fd = written_open("counters", path, O_RDWR, options, fault);
	if (fd < 0)
		return fd;
	/* For all to read. */
	if ((is_new && fchmod(fd, 0644)) || ftruncate(fd, sizeof(own))) {
		close(fd);
		return fault_set(fault, -errno, "counters %s: %s", path, strerror(errno));
	}
	mapped = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped == MAP_FAILED)
		return fault_set(fault, -errno, "counters %s: %s", path, strerror(errno));
	*counters = memcpy(mapped, &blank, sizeof(blank));
	return 0;
}
