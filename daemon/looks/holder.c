/* SPDX-License-Identifier: Apache-2.0 */
#include "looks/holder.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "model/pool.h"

/* Another process may hold the listener on: the look tells, and finds that one. */
static int on_holder_exit(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct holder *holder = arg;

	(void)source, (void)fd, (void)events;
	holder_forget(holder);
	holder->model->hooks.scan_later(holder->model);
	return 0;
}

void holder_watch(struct holder *holder, struct model *model, int pidfd, uint32_t inode)
{
	holder_forget(holder);
	holder->model = model;
	holder->inode = inode;
	if (sd_event_add_io(model->event, &holder->exit, pidfd, EPOLLIN, on_holder_exit, holder) <
	    0)
		close(pidfd);
	else
		sd_event_source_set_io_fd_own(holder->exit, 1);
}

void holder_forget(struct holder *holder)
{
	holder->exit = sd_event_source_disable_unref(holder->exit);
	holder->inode = 0;
}
