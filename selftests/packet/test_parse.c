/* SPDX-License-Identifier: Apache-2.0 */
/* ingress: what it makes of a frame.  Each row is one frame, its verdict and its one counter. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>

#include "tests.h"
#include "world.h"

#define V4_TO(address, port)                                                                       \
	.client = "198.51.100.7", .client_port = 40000, .service = (address), .service_port = (port)
#define V6_TO(address, port)                                                                       \
	.client = "2001:db8:2::7", .client_port = 40000, .service = (address),                     \
	.service_port = (port)
#define V4                 V4_TO("192.0.2.1", 80)
#define V6                 V6_TO("2001:db8::1", 80)
#define EXTENSIONS(n, ...) .extension_count = (n), .extensions = {__VA_ARGS__}

enum {
	MORE_FRAGMENTS = 0x2000,
	DO_NOT_FRAGMENT = 0x4000,
	JUMBO = 8948, /* payload of a frame of 9000 bytes: XDP sees it in several buffers */
};

struct row {
	const char *name;
	struct frame frame;
	int reason;
};

static const struct row rows[] = {
	{"SYN", {V4, .flags = SYN}, LB_INGRESS_CHOSEN},
	{"ACK", {V4, .flags = ACK}, LB_INGRESS_ESTABLISHED},
	{"SYN ACK", {V4, .flags = SYN | ACK}, LB_INGRESS_ESTABLISHED},
	{"SYN RST", {V4, .flags = SYN | RST}, LB_INGRESS_ESTABLISHED},
	{"SYN FIN", {V4, .flags = SYN | FIN}, LB_INGRESS_ESTABLISHED},
	{"RST", {V4, .flags = RST}, LB_INGRESS_ESTABLISHED},
	{"FIN ACK", {V4, .flags = FIN | ACK}, LB_INGRESS_ESTABLISHED},
	{"no flags", {V4}, LB_INGRESS_ESTABLISHED},
	{"data", {V4, .flags = ACK, .payload = 1460}, LB_INGRESS_ESTABLISHED},
	{"data in several buffers", {V4, .flags = ACK, .payload = JUMBO}, LB_INGRESS_ESTABLISHED},
	{"SYN with data", {V4, .flags = SYN, .payload = 10}, LB_INGRESS_CHOSEN},
	{"SYN with options", {V4, .flags = SYN, .tcp_options = 40}, LB_INGRESS_CHOSEN},
	{"SYN padded", {V4, .flags = SYN, .pad = 6}, LB_INGRESS_CHOSEN},

	{"one VLAN tag", {V4, .flags = SYN, .vlans = 1}, LB_INGRESS_CHOSEN},
	{"two VLAN tags", {V4, .flags = SYN, .vlans = 2}, LB_INGRESS_CHOSEN},
	{"two VLAN tags, ACK", {V4, .flags = ACK, .vlans = 2}, LB_INGRESS_ESTABLISHED},
	{"three VLAN tags", {V4, .flags = SYN, .vlans = 3}, LB_INGRESS_NOT_IP},
	{"ARP", {V4, .flags = SYN, .ethertype = ETH_P_ARP}, LB_INGRESS_NOT_IP},
	{"length as ethertype", {V4, .flags = SYN, .ethertype = 40}, LB_INGRESS_NOT_IP},
	{"IPv4 called IPv6", {V4, .flags = SYN, .ethertype = ETH_P_IPV6}, LB_INGRESS_MALFORMED},
	{"IPv6 called IPv4", {V6, .flags = SYN, .ethertype = ETH_P_IP}, LB_INGRESS_MALFORMED},

	{"4 bytes of IP options", {V4, .flags = SYN, .ip_options = 4}, LB_INGRESS_CHOSEN},
	{"40 bytes of IP options", {V4, .flags = SYN, .ip_options = 40}, LB_INGRESS_CHOSEN},
	{"IP options, ACK", {V4, .flags = ACK, .ip_options = 12}, LB_INGRESS_ESTABLISHED},
	{"UDP", {V4, .protocol = IPPROTO_UDP}, LB_INGRESS_NOT_TCP},
	{"ICMP", {V4, .protocol = IPPROTO_ICMP}, LB_INGRESS_NOT_TCP},
	{"GRE", {V4, .protocol = IPPROTO_GRE}, LB_INGRESS_NOT_TCP},
	{"may not be fragmented",
	 {V4, .flags = SYN, .fragment = DO_NOT_FRAGMENT},
	 LB_INGRESS_CHOSEN},
	{"first fragment", {V4, .flags = SYN, .fragment = MORE_FRAGMENTS}, LB_INGRESS_FRAGMENT},
	{"middle fragment", {V4, .fragment = MORE_FRAGMENTS | 185}, LB_INGRESS_FRAGMENT},
	{"last fragment", {V4, .fragment = 370}, LB_INGRESS_FRAGMENT},
	{"UDP fragment", {V4, .protocol = IPPROTO_UDP, .fragment = 1}, LB_INGRESS_FRAGMENT},

	{"version 5", {V4, .flags = SYN, .version = 5}, LB_INGRESS_MALFORMED},
	/* Its acknowledgement number would pass for the length and flags of a SYN. */
	{"header of 16 bytes",
	 {V4, .flags = SYN, .ihl = 4, .ack = 0x50020000},
	 LB_INGRESS_MALFORMED},
	{"header beyond the packet", {V4, .flags = SYN, .ihl = 15}, LB_INGRESS_MALFORMED},
	{"length 0", {V4, .flags = SYN, .length_delta = -40}, LB_INGRESS_MALFORMED},
	{"length below the header", {V4, .flags = SYN, .length_delta = -21}, LB_INGRESS_MALFORMED},
	{"length of the header", {V4, .flags = SYN, .length_delta = -20}, LB_INGRESS_MALFORMED},
	{"length inside TCP", {V4, .flags = SYN, .length_delta = -1}, LB_INGRESS_MALFORMED},
	{"length beyond the frame", {V4, .flags = SYN, .length_delta = 1}, LB_INGRESS_MALFORMED},
	{"length 65535", {V4, .flags = SYN, .length_delta = 65495}, LB_INGRESS_MALFORMED},
	{"length beyond several buffers",
	 {V4, .flags = ACK, .payload = JUMBO, .length_delta = 1},
	 LB_INGRESS_MALFORMED},
	{"TCP header of 16 bytes", {V4, .flags = SYN, .doff = 4}, LB_INGRESS_MALFORMED},
	{"TCP header beyond the packet", {V4, .flags = SYN, .doff = 15}, LB_INGRESS_MALFORMED},
	{"TCP header in the padding",
	 {V4, .flags = SYN, .doff = 6, .pad = 4},
	 LB_INGRESS_MALFORMED},

	{"port without a service", {V4_TO("192.0.2.1", 81), .flags = SYN}, LB_INGRESS_NO_SERVICE},
	{"port without a service, ACK",
	 {V4_TO("192.0.2.1", 81), .flags = ACK},
	 LB_INGRESS_NO_SERVICE},
	{"neighbour of a service's bit",
	 {V4_TO("192.0.2.1", 88), .flags = SYN},
	 LB_INGRESS_NO_SERVICE},
	{"port 0", {V4_TO("192.0.2.1", 0), .flags = SYN}, LB_INGRESS_NO_SERVICE},
	{"port 65535", {V4_TO("192.0.2.1", 65535), .flags = SYN}, LB_INGRESS_NO_SERVICE},
	{"address without a service",
	 {V4_TO("192.0.2.2", 80), .flags = SYN},
	 LB_INGRESS_NO_SERVICE},
	{"any address", {V4_TO("192.0.2.2", 8080), .flags = SYN}, LB_INGRESS_CHOSEN},
	{"any address, ACK", {V4_TO("192.0.2.2", 8080), .flags = ACK}, LB_INGRESS_ESTABLISHED},
	{"any address of the other family, ACK",
	 {V6_TO("2001:db8::1", 8080), .flags = ACK},
	 LB_INGRESS_NO_SERVICE},
	{"other address, any of the other family, ACK",
	 {V4_TO("192.0.2.2", 8081), .flags = ACK},
	 LB_INGRESS_NO_SERVICE},
	{"exact address beside any, ACK",
	 {V4_TO("192.0.2.1", 8081), .flags = ACK},
	 LB_INGRESS_ESTABLISHED},
	{"any address of the other family",
	 {V6_TO("2001:db8::1", 8080), .flags = SYN},
	 LB_INGRESS_NO_SERVICE},

	{"v6 SYN", {V6, .flags = SYN}, LB_INGRESS_CHOSEN},
	{"v6 ACK", {V6, .flags = ACK}, LB_INGRESS_ESTABLISHED},
	{"v6 data in several buffers",
	 {V6, .flags = ACK, .payload = JUMBO},
	 LB_INGRESS_ESTABLISHED},
	{"v6 two VLAN tags", {V6, .flags = SYN, .vlans = 2}, LB_INGRESS_CHOSEN},
	{"v6 SYN padded", {V6, .flags = SYN, .pad = 6}, LB_INGRESS_CHOSEN},
	{"v6 UDP", {V6, .protocol = IPPROTO_UDP}, LB_INGRESS_NOT_TCP},
	{"v6 ICMP", {V6, .protocol = IPPROTO_ICMPV6}, LB_INGRESS_NOT_TCP},
	{"v6 no next header", {V6, .protocol = IPPROTO_NONE}, LB_INGRESS_NOT_TCP},
	{"v6 ESP", {V6, .protocol = IPPROTO_ESP}, LB_INGRESS_NOT_TCP},
	{"v6 authentication header", {V6, EXTENSIONS(1, IPPROTO_AH)}, LB_INGRESS_NOT_TCP},
	{"v6 hop-by-hop options",
	 {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_HOPOPTS)},
	 LB_INGRESS_CHOSEN},
	{"v6 destination options",
	 {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_DSTOPTS)},
	 LB_INGRESS_CHOSEN},
	{"v6 routing header",
	 {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_ROUTING)},
	 LB_INGRESS_CHOSEN},
	{"v6 three headers",
	 {V6, .flags = ACK, EXTENSIONS(3, IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING)},
	 LB_INGRESS_ESTABLISHED},
	{"v6 header of 32 bytes",
	 {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_DSTOPTS), .extension_length = 3},
	 LB_INGRESS_CHOSEN},
	{"v6 header of 2048 bytes",
	 {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_DSTOPTS), .extension_length = 255},
	 LB_INGRESS_CHOSEN},
	{"v6 six headers",
	 {V6, .flags = SYN, EXTENSIONS(6, 60, 60, 60, 60, 60, 60)},
	 LB_INGRESS_CHOSEN},
	{"v6 seven headers",
	 {V6, .flags = SYN, EXTENSIONS(7, 60, 60, 60, 60, 60, 60, 60)},
	 LB_INGRESS_NOT_TCP},
	{"v6 fragment", {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_FRAGMENT)}, LB_INGRESS_FRAGMENT},
	{"v6 fragment after options",
	 {V6, .flags = SYN, EXTENSIONS(2, IPPROTO_HOPOPTS, IPPROTO_FRAGMENT)},
	 LB_INGRESS_FRAGMENT},
	{"v6 header beyond the packet",
	 {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_DSTOPTS), .length_delta = -21},
	 LB_INGRESS_MALFORMED},
	{"v6 payload of the header only",
	 {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_DSTOPTS), .length_delta = -20},
	 LB_INGRESS_MALFORMED},
	{"v6 length inside TCP after options",
	 {V6, .flags = SYN, EXTENSIONS(1, IPPROTO_DSTOPTS), .length_delta = -1},
	 LB_INGRESS_MALFORMED},
	{"v6 UDP after options",
	 {V6, EXTENSIONS(1, IPPROTO_HOPOPTS), .protocol = IPPROTO_UDP},
	 LB_INGRESS_NOT_TCP},
	{"v6 version 5", {V6, .flags = SYN, .version = 5}, LB_INGRESS_MALFORMED},
	{"v6 length 0", {V6, .flags = SYN, .length_delta = -20}, LB_INGRESS_MALFORMED},
	{"v6 length inside TCP", {V6, .flags = SYN, .length_delta = -1}, LB_INGRESS_MALFORMED},
	{"v6 length beyond the frame", {V6, .flags = SYN, .length_delta = 1}, LB_INGRESS_MALFORMED},
	{"v6 TCP header of 16 bytes", {V6, .flags = SYN, .doff = 4}, LB_INGRESS_MALFORMED},
	{"v6 TCP header beyond the packet", {V6, .flags = SYN, .doff = 15}, LB_INGRESS_MALFORMED},
	{"v6 port without a service",
	 {V6_TO("2001:db8::1", 81), .flags = SYN},
	 LB_INGRESS_NO_SERVICE},
	{"v6 address without a service",
	 {V6_TO("2001:db8::2", 80), .flags = SYN},
	 LB_INGRESS_NO_SERVICE},
	{"v6 mapped address is another family's",
	 {V6_TO("::ffff:192.0.2.2", 8080), .flags = SYN},
	 LB_INGRESS_NO_SERVICE},
};

static int open_rows(void **state)
{
	static const uint16_t members[] = {1};

	if (world_open(state))
		return -1;
	world_add_service("192.0.2.1", 80, 1, 1, 0);
	world_add_service("2001:db8::1", 80, 1, 1, 0);
	world_add_service("0.0.0.0", 8080, 2, 1, 0);
	world_add_service("192.0.2.1", 8081, 2, 1, 0);
	world_add_service("::", 8081, 2, 1, 0);
	world_set_pool(1, LB_LEAST_LOAD, 1, members, 0);
	world_add_local(1, "127.0.0.1");
	world_add_local(1, "::1");
	return 0;
}

static void run_rows(void **state)
{
	uint64_t before[LB_REASON_COUNT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("           %s\n", rows[i].name);
		world_read_reasons(before);
		assert_int_equal(world_run(&rows[i].frame, 0), XDP_PASS);
		world_expect_reason(before, rows[i].reason);
	}
}

/* Cut anywhere after Ethernet's header, a frame is shorter than it says. */
static void cut_everywhere(void **state)
{
	static const struct frame whole[] = {
		{V4, .flags = SYN},
		{V4, .flags = SYN, .vlans = 2, .ip_options = 8, .tcp_options = 20, .payload = 5},
		{V6, .flags = SYN},
		{V6, .flags = SYN, .vlans = 1, .tcp_options = 20,
		 EXTENSIONS(3, IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING),
		 .extension_length = 1},
	};
	uint8_t buffer[FRAME_ROOM];
	uint64_t before[LB_REASON_COUNT];

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		size_t length = frame_build(&whole[i], buffer);

		world_read_reasons(before);
		assert_int_equal(world_run(&whole[i], 0), XDP_PASS);
		world_expect_reason(before, LB_INGRESS_CHOSEN);
		for (size_t cut = ETH_HLEN; cut < length; cut++) {
			world_read_reasons(before);
			assert_int_equal(world_run(&whole[i], cut), XDP_PASS);
			world_expect_reason(before, LB_INGRESS_MALFORMED);
		}
	}
}

int test_parse(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_rows),
		cmocka_unit_test(cut_everywhere),
	};

	return cmocka_run_group_tests_name("parse", tests, open_rows, world_close);
}
