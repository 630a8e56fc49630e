/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The few kernel structures that we read, relocated at load time (CO-RE), so that building needs no
 * BTF of the build machine.
 */
#ifndef LB_KERNEL_H
#define LB_KERNEL_H

#include <linux/types.h>

#define LB_RELOCATED __attribute__((preserve_access_index))

typedef struct {
	int counter;
} LB_RELOCATED atomic_t;

struct sock_reuseport {
	unsigned int synq_overflow_ts; /* jiffies */
} LB_RELOCATED;

struct netns_ipv4 {
	__u8 sysctl_tcp_syncookies;
} LB_RELOCATED;

struct net {
	struct netns_ipv4 ipv4;
} LB_RELOCATED;

typedef struct {
	struct net *net;
} LB_RELOCATED possible_net_t;

typedef struct {
	__u32 val;
} LB_RELOCATED kuid_t;

struct kernfs_node {
	__u64 id;
} LB_RELOCATED;

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} LB_RELOCATED;

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
} LB_RELOCATED;

struct sock_cgroup_data {
	struct cgroup *cgroup; /* of version 2, in which the socket was made */
} LB_RELOCATED;

struct sock_common {
	unsigned char skc_ipv6only : 1;
	possible_net_t skc_net;
} LB_RELOCATED;

struct sock {
	struct sock_common __sk_common;
	__u32 sk_ack_backlog;     /* connections in the accept queue */
	__u32 sk_max_ack_backlog; /* beyond so many the kernel drops handshakes */
	struct sock_reuseport *sk_reuseport_cb;
	kuid_t sk_uid; /* who made it */
	__u16 sk_protocol;
	struct sock_cgroup_data sk_cgrp_data;
} LB_RELOCATED;

struct inet_sock {
	struct sock sk;
} LB_RELOCATED;

struct request_sock_queue {
	atomic_t qlen; /* handshakes under way */
} LB_RELOCATED;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
} LB_RELOCATED;

struct tcp_options_received {
	int ts_recent_stamp; /* of a listener: jiffies when it last sent a SYN cookie */
} LB_RELOCATED;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	struct tcp_options_received rx_opt;
} LB_RELOCATED;

#endif
