// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * Iterators (kernel doc bpf/bpf_iterators.rst) that tell of one process what proc(5) tells as well, but there not
 * before an execve(2) of that process has ended.  An object of its own, as it is needed before there is a datapath.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "iterator.h"
#include "lb/abi.h"

/* Of each descriptor, whether it is a socket, and which. */
SEC("iter/task_file")
int inspect_files(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct lb_descriptor descriptor = {.fd = ctx->fd};

	if (!file)
		return 0;
	if (bpf_sock_from_file(file))
		descriptor.inode = (__u32)file->f_inode->i_ino;
	bpf_seq_write(ctx->meta->seq, &descriptor, sizeof(descriptor));
	return 0;
}

/* The first thread's. */
SEC("iter/task")
int inspect_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct lb_task told = {};

	if (!task || task->pid != task->tgid)
		return 0;
	told.start_ns = task->start_boottime;
	told.flags = task->flags;
	bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
	return 0;
}

char _license[] SEC("license") = "GPL";
