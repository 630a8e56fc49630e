/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include "inspect.skel.h"

static struct inspect *loaded;

int inspect_load(void)
{
	if (!loaded)
		loaded = inspect__open_and_load();
	return loaded ? 0 : -errno;
}

int inspect_iterate(int program, pid_t pid)
{
	union bpf_iter_link_info info = {.task.pid = pid};
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info,
		    .iter_info_len = sizeof(info));
	int link = bpf_link_create(program, 0, BPF_TRACE_ITER, &options), iterator;

	if (link < 0)
		return link;
	iterator = bpf_iter_create(link);
	close(link); /* the iterator has it */
	return iterator;
}

int inspect_files(pid_t pid)
{
	int err = inspect_load();

	return err ? err : inspect_iterate(bpf_program__fd(loaded->progs.inspect_files), pid);
}

int inspect_task(pid_t pid, struct lb_task *task)
{
	int iterator = inspect_load(), err;
	ssize_t bytes;

	if (!iterator)
		iterator = inspect_iterate(bpf_program__fd(loaded->progs.inspect_task), pid);
	if (iterator < 0)
		return iterator;
	bytes = read(iterator, task, sizeof(*task));
	err = bytes < 0 ? -errno : -ESRCH;
	close(iterator);
	return bytes == sizeof(*task) ? 0 : err;
}
