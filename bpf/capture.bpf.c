// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * capture: task_file iterator, on one thread.  Puts a listening socket of it into a backend's slot, where track
 * did not see it listen.  So lbd needs no descriptor of it: a close of one lasts as long as another user likes
 * (SO_LINGER), and pidfd_getfd(2) waits for an execve(2) of that process.
 */
#include <asm-generic/errno.h>
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <linux/in.h>

#include "iterator.h"
#include "maps.h"

struct {
	__u64 inode; /* of the socket */
	__u32 fd;    /* where it was seen: nothing behind it is looked at */
	__u32 slot, generation;
	__u16 backend;
	int result; /* -ESRCH: not found yet */
} capture_wanted;

/* The tag first: a connection may come as soon as the listener can be chosen. */
static __always_inline int capture_socket(struct sock *sk)
{
	struct lb_tag *tag;
	__u32 slot = capture_wanted.slot;

	if (sk->sk_protocol != IPPROTO_TCP)
		return -EPROTONOSUPPORT;
	tag = bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!tag)
		return -ENOMEM;
	*tag = (struct lb_tag){.backend = capture_wanted.backend,
			       .generation = capture_wanted.generation};
	return (int)bpf_map_update_elem(&listeners, &slot, sk, BPF_ANY);
}

SEC("iter/task_file")
int capture(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;

	if (!file || capture_wanted.result != -ESRCH)
		return 0;
	if (ctx->fd > capture_wanted.fd)
		return 1; /* ends */
	socket = bpf_sock_from_file(file);
	if (!socket || file->f_inode->i_ino != capture_wanted.inode)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	capture_wanted.result = capture_socket(sk);
	/* Whoever reads need not come to the other descriptors. */
	bpf_seq_write(ctx->meta->seq, &capture_wanted.result, sizeof(capture_wanted.result));
	return 0;
}

char _license[] SEC("license") = "GPL";
