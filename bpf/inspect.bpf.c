// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * Iterators (kernel doc bpf/bpf_iterators.rst) that tell of one process what proc(5) tells as well, but there not
 * before an execve(2) of that process has ended.  An object of its own, as it is needed before there is a datapath.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "iterator.h"
#include "lb/abi.h"

/* What inspect_files comes by with the first descriptor. */
struct {
	__u32 threads; /* that the process has */
	__u32 slots;   /* of the table */
} inspected_file;

/* Of one look by inspect_tables: all 0 before it, as the memory of a table that was told becomes another's. */
struct {
	struct files_struct *last; /* told, to be compared alone */
	__u32 threads;             /* looked at */
} inspected;

/* Of each descriptor, whether it is a socket, and which. */
SEC("iter/task_file")
int inspect_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct lb_descriptor descriptor = {.fd = ctx->fd};

	if (!task || !file)
		return 0;
	if (!ctx->meta->seq_num) {
		inspected_file.threads = task->signal->nr_threads;
		inspected_file.slots = task->files->fdt->max_fds;
	}
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

/* Its number in the namespace of who reads; 0: none there, or it has ended. */
static __always_inline __s32 number_of(struct task_struct *task)
{
	struct task_struct *reader = bpf_get_current_task_btf();
	struct pid *pid = task->thread_pid;
	__u32 level = reader->thread_pid->level;
	struct upid told = {};

	if (!pid || level > pid->level)
		return 0;
	bpf_core_read(&told, sizeof(told), &pid->numbers[level]);
	return told.nr;
}

/*
 * Descriptor tables of a process, that of its first thread first: each once, whatever threads share it, unless one
 * with another is between them.  Ends after LB_THREADS.
 */
SEC("iter/task")
int inspect_tables(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct lb_table told = {};
	struct files_struct *files;
	bool is_first;

	if (!task)
		return 0;
	is_first = task->pid == task->tgid;
	if (inspected.threads++ == LB_THREADS)
		return 1;
	files = task->files;
	if (!files ||
	    (!is_first && (files == task->group_leader->files || files == inspected.last)))
		return 0;
	told.thread = number_of(task);
	if (!told.thread)
		return 0;
	inspected.last = files;
	told.slots = files->fdt->max_fds;
	bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
	return 0;
}

char _license[] SEC("license") = "GPL";
