/* SPDX-License-Identifier: Apache-2.0 */
/* The FIFOs of a run directory, held open from one keeper to the next. */
#include <stdlib.h>
#include <unistd.h>

#include "output/output.h"

struct output_hold {
	int *fds;
	size_t count;
};

static void hold_one(void *arg, int fd, const char *fifo, char *note)
{
	struct output_hold *hold = arg;
	int *fds = reallocarray(hold->fds, hold->count + 1, sizeof(*fds));

	(void)fifo, (void)note;
	if (!fds) {
		close(fd);
		return;
	}
	hold->fds = fds;
	hold->fds[hold->count++] = fd;
}

struct output_hold *output_hold(const char *run_dir)
{
	struct output_hold *hold = calloc(1, sizeof(*hold));

	if (hold)
		output_each_fifo(run_dir, hold_one, hold);
	return hold;
}

void output_release(struct output_hold *hold)
{
	if (!hold)
		return;
	for (size_t i = 0; i < hold->count; i++)
		close(hold->fds[i]);
	free(hold->fds);
	free(hold);
}
