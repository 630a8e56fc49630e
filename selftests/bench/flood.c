// SPDX-License-Identifier: Apache-2.0
/*
 * Millions of TCP segments a second out of an interface, by BPF_PROG_TEST_RUN with live frames (see
 * Documentation/bpf/bpf_prog_run.rst of Linux): the kernel runs a program of ours on a frame over and
 * over and sends what it returns XDP_TX for.  Each frame gets one of FLOWS source ports and addresses.
 * Their checksums are not right, so the receiving stack has to drop them.
 *
 *   flood send IFACE SECONDS FLOWS syn|ack MAC FROM TO PORT
 *   flood attach IFACE pass|drop      an XDP program that does nothing but return that
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REPEAT = 1 << 16, BATCH = 64, SECONDS_MAX = 60, FLOWS_MAX = 1 << 20 };

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	char pad[6]; /* to the least size of an Ethernet frame, its check sum aside */
} __attribute__((packed));

#define INSN(operation, to, from, offset, value)                                                   \
	((struct bpf_insn){.code = (operation),                                                    \
			   .dst_reg = (to),                                                        \
			   .src_reg = (from),                                                      \
			   .off = (offset),                                                        \
			   .imm = (value)})

static int load(const struct bpf_insn *code, size_t count)
{
	char log[4096] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log));
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "flood", "GPL", code, count, &opts);

	if (fd < 0)
		fprintf(stderr, "flood: load: %s\n%s", strerror(errno), log);
	return fd;
}

static int load_constant(int verdict)
{
	const struct bpf_insn code[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, verdict),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load(code, sizeof(code) / sizeof(code[0]));
}

/* r = random % flows; the source port becomes r's low 16 bits, the address's last byte is 2 + the rest. */
static int load_sender(int flows)
{
	const struct bpf_insn code[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_prandom_u32),
		INSN(BPF_ALU | BPF_MOD | BPF_K, BPF_REG_0, 0, 0, flows),
		INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_6, 0, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_6, 4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, 54),
		INSN(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 6, 0),
		INSN(BPF_STX | BPF_MEM | BPF_H, BPF_REG_2, BPF_REG_0, 34, 0),
		INSN(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_0, 0, 0, 16),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_0, 0, 0, 2),
		INSN(BPF_STX | BPF_MEM | BPF_B, BPF_REG_2, BPF_REG_0, 29, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_TX),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_DROP),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load(code, sizeof(code) / sizeof(code[0]));
}

static int attach(const char *interface, int verdict)
{
	int fd = load_constant(verdict);
	int err;

	if (fd < 0)
		return -1;
	err = bpf_xdp_attach((int)if_nametoindex(interface), fd, XDP_FLAGS_DRV_MODE, NULL);
	if (err)
		fprintf(stderr, "flood: attach to %s: %s\n", interface, strerror(-err));
	return err;
}

static int frame_fill(struct frame *f, char **words)
{
	unsigned char *mac = f->eth.h_dest;
	int port = atoi(words[4]);

	*f = (struct frame){
		.eth = {.h_source = {2, 0, 0, 0, 0, 1}, .h_proto = htons(ETH_P_IP)},
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .tot_len = htons(sizeof(f->ip) + sizeof(f->tcp))},
		.tcp = {.doff = 5, .dest = htons((uint16_t)port), .window = htons(64000)},
	};
	f->tcp.syn = !strcmp(words[0], "syn");
	f->tcp.ack = !f->tcp.syn;
	if (sscanf(words[1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3,
		   mac + 4, mac + 5) != 6)
		return -EINVAL;
	if (inet_pton(AF_INET, words[2], &f->ip.saddr) != 1 ||
	    inet_pton(AF_INET, words[3], &f->ip.daddr) != 1 || port < 1 || port > 65535)
		return -EINVAL;
	return 0;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int send_frames(int fd, const struct frame *frame, int interface, double seconds)
{
	struct xdp_md context = {.data_end = sizeof(*frame),
				 .ingress_ifindex = (uint32_t)interface};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(*frame),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = REPEAT,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
	double start = now_s();
	long sent = 0;

	while (now_s() < start + seconds) {
		int err = bpf_prog_test_run_opts(fd, &opts);

		if (err) {
			fprintf(stderr, "flood: live frames: %s\n", strerror(-err));
			return 1;
		}
		sent += REPEAT;
	}
	printf("{\"sent\": %ld, \"seconds\": %.6f}\n", sent, now_s() - start);
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 0;
	int flows = argc > 4 ? atoi(argv[4]) : 0;
	struct frame frame;
	int fd;

	if (argc == 4 && !strcmp(argv[1], "attach"))
		return attach(argv[2], strcmp(argv[3], "drop") ? XDP_PASS : XDP_DROP) ? 1 : 0;
	if (argc != 10 || strcmp(argv[1], "send") || !(seconds > 0 && seconds <= SECONDS_MAX) ||
	    flows < 1 || flows > FLOWS_MAX || frame_fill(&frame, argv + 5)) {
		fputs("usage: flood send IFACE SECONDS FLOWS syn|ack MAC FROM TO PORT\n"
		      "       flood attach IFACE pass|drop\n",
		      stderr);
		return 2;
	}
	/* The kernel takes live frames only as coming from a queue that XDP is set up on. */
	if (attach(argv[2], XDP_PASS))
		return 1;
	fd = load_sender(flows);
	if (fd < 0)
		return 1;
	return send_frames(fd, &frame, (int)if_nametoindex(argv[2]), seconds);
}
