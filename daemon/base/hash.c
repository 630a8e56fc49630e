/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

uint64_t hash_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t hash_bytes(const void *bytes, size_t length)
{
	const uint8_t *byte = bytes;
	uint64_t hash = 0xcbf29ce484222325;

	while (length-- > 0)
		hash = (hash ^ *byte++) * 0x100000001b3;
	return hash_mix(hash);
}
