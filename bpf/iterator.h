/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What iterators of a process and of its open files are given.  Relocated at load time, see kernel.h. */
#ifndef LB_ITERATOR_H
#define LB_ITERATOR_H

#include "kernel.h"

struct seq_file;

struct upid {
	int nr;
	struct pid_namespace *ns;
} LB_RELOCATED;

struct pid {
	unsigned int level;    /* of the innermost namespace that it is in */
	struct upid numbers[]; /* in that, and those around it, by level */
} LB_RELOCATED;

struct fdtable {
	unsigned int max_fds;
} LB_RELOCATED;

struct files_struct {
	struct fdtable *fdt;
} LB_RELOCATED;

struct signal_struct {
	int nr_threads;
} LB_RELOCATED;

struct task_struct {
	unsigned int flags;
	int pid, tgid; /* a thread's, its process's */
	struct task_struct *group_leader;
	struct files_struct *files; /* NULL: it has ended */
	struct signal_struct *signal;
	struct pid *thread_pid;
	__u64 start_boottime; /* ns */
} LB_RELOCATED;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num; /* of those that came before */
} LB_RELOCATED;

struct inode {
	unsigned long i_ino;
} LB_RELOCATED;

struct file {
	struct inode *f_inode;
} LB_RELOCATED;

struct socket {
	struct sock *sk;
} LB_RELOCATED;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task; /* NULL: the end */
} LB_RELOCATED;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file; /* NULL: the end */
} LB_RELOCATED;

#endif
