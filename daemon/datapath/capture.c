/* SPDX-License-Identifier: Apache-2.0 */
/* A listener that was there before lbd goes into the map of listeners, by an iterator over the files of its process. */
#include <errno.h>
#include <unistd.h>

#include "datapath/internal.h"
#include "host/process/inspect.h"

int datapath_capture(struct datapath *dp, const struct datapath_capture *capture)
{
	struct lb__bss *shared = dp->skel->bss;
	int iterator, told;

	shared->capture_wanted.inode = capture->inode;
	shared->capture_wanted.fd = (uint32_t)capture->fd;
	shared->capture_wanted.slot = LB_LISTENER(capture->backend, capture->is_v6);
	shared->capture_wanted.backend = capture->backend;
	shared->capture_wanted.generation = capture->generation;
	shared->capture_wanted.result = -ESRCH;
	iterator = inspect_iterate(bpf_program__fd(dp->skel->progs.capture), capture->thread);
	if (iterator < 0)
		return iterator;
	/* Once: EAGAIN is that of a process which has it no more. */
	if (read(iterator, &told, sizeof(told)) < 0 && errno != EAGAIN)
		shared->capture_wanted.result = -errno;
	close(iterator);
	return shared->capture_wanted.result;
}
