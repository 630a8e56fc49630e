/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of flows: whoever does not know the seed cannot make them meet. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <string.h>

#include "siphash.h"
#include "tests.h"
#include "world.h"

enum { PORT = 80, LEAST = 1, SOURCE = 2, BACKENDS = 64, FLOWS = 1000 };

static int open_pools(void **state)
{
	uint16_t ring[BACKENDS];

	if (world_open(state))
		return -1;
	for (uint16_t id = 0; id < BACKENDS; id++) {
		world_add_local(id, "::1");
		ring[id] = id;
	}
	world_set_pool(LEAST, LB_LEAST_LOAD, 1, (uint16_t[]){0}, 0);
	world_set_ring(SOURCE, ring, BACKENDS);
	world_set_pool(SOURCE, LB_SOURCE_HASH, BACKENDS, NULL, BACKENDS);
	world_add_service("2001:db8::1", PORT, LEAST, LEAST, 0);
	world_add_service("2001:db8::1", PORT + 1, SOURCE, SOURCE, 0);
	return 0;
}

static __u64 siphash_of(const uint8_t *bytes, size_t length, int rounds, int end_rounds)
{
	struct lb_seed seed;
	struct siphash s;
	__u64 word;

	for (uint8_t i = 0; i < sizeof(seed.key); i++)
		((uint8_t *)seed.key)[i] = i;
	siphash_start(&s, &seed);
	for (size_t at = 0; at + sizeof(word) <= length; at += sizeof(word)) {
		memcpy(&word, bytes + at, sizeof(word));
		siphash_add(&s, word, rounds);
	}
	word = (__u64)length << 56;
	memcpy(&word, bytes + length / sizeof(word) * sizeof(word), length % sizeof(word));
	siphash_add(&s, word, rounds);
	return siphash_end(&s, end_rounds);
}

/* Appendix A of the paper: key 00..0f, message 00..0e, SipHash-2-4; the same by others for 1-3. */
static void vectors(void **state)
{
	uint8_t message[15];

	(void)state;
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	assert_int_equal(siphash_of(message, sizeof(message), 2, 4), 0xa129ca6149be45e5);
	assert_int_equal(siphash_of(message, sizeof(message), SIPHASH_ROUNDS, SIPHASH_END_ROUNDS),
			 0xd320d86d2a519956);
}

/*
 * Client i of those whose addresses meet in any hash that sums products of their words, with these
 * factors, and mixes the sum afterwards, whatever is added to it: what i adds by the one word is
 * taken off by the other.
 */
static void crafted_client(uint64_t i, char text[INET6_ADDRSTRLEN])
{
	const uint64_t k1 = 0x8ebc6af09c88c6e3, k2 = 0xe7037ed1a0b428db;
	uint64_t inverse = k1, high;
	uint32_t words[4] = {0};

	for (int step = 0; step < 5; step++) /* Newton: bits that are right double */
		inverse *= 2 - k1 * inverse;
	high = -(i * k2 * inverse);
	assert_true(high * k1 + i * k2 == 0);
	words[0] = high >> 32;
	words[1] = high;
	words[2] = i >> 32;
	words[3] = i;
	inet_ntop(AF_INET6, words, text, INET6_ADDRSTRLEN);
}

/* Of so many flows thrown at random into the table, 638 places get one or more, give or take 10. */
static void crafted_flows(void **state)
{
	struct frame frame = {
		.service = "2001:db8::1", .service_port = PORT, .client_port = 40000, .flags = SYN};
	char client[INET6_ADDRSTRLEN];
	int places = 0;

	(void)state;
	frame.client = client;
	for (uint64_t i = 1; i <= FLOWS; i++) {
		crafted_client(i, client);
		assert_int_equal(world_run(&frame, 0), XDP_PASS);
	}
	for (uint64_t place = 0; place < LB_HANDOVER_ENTRIES; place++)
		places += world_handover(place).backend_plus_1 != 0;
	assert_in_range(places, 560, 720);
}

/* The same clients, by their address alone: none of 64 backends is spared, or gets many of them. */
static void crafted_clients(void **state)
{
	struct frame frame = {.service = "2001:db8::1",
			      .service_port = PORT + 1,
			      .client_port = 40000,
			      .flags = SYN};
	unsigned got[BACKENDS] = {0};
	char client[INET6_ADDRSTRLEN];

	(void)state;
	frame.client = client;
	for (uint64_t i = 1; i <= FLOWS; i++) {
		uint64_t hash;

		crafted_client(i, client);
		hash = world_hash(client, frame.client_port, frame.service, frame.service_port);
		assert_int_equal(world_run(&frame, 0), XDP_PASS);
		got[world_handover(hash).backend_plus_1 - 1]++;
	}
	for (int id = 0; id < BACKENDS; id++)
		assert_in_range(got[id], 1, 3 * FLOWS / BACKENDS);
}

int test_hash(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test_setup_teardown(crafted_flows, open_pools, world_close),
		cmocka_unit_test_setup_teardown(crafted_clients, open_pools, world_close),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
