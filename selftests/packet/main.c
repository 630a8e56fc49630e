/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side under test, in a network namespace of its own: rows of packets through
 * BPF_PROG_TEST_RUN, and real sockets over its loopback.  Exit code 77: skipped, the kernel refuses.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests.h"
#include "world.h"

enum { SKIPPED = 77 };

static int say_skipped(const char *what)
{
	printf("packet: skipped: %s: %s; run as root, outside of a plain container\n", what,
	       strerror(errno));
	return SKIPPED;
}

static int raise_loopback(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -1;
	err = ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	return err;
}

static int probe_bpf(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 8, 1, NULL);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* Loopback delivers on the CPU that sends: what is handed over there is found there. */
static void stay_on_a_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

int main(void)
{
	int failed = 0;

	if (unshare(CLONE_NEWNET))
		return say_skipped("no network namespace of its own (unshare)");
	if (raise_loopback())
		return say_skipped("cannot bring its loopback up");
	if (probe_bpf())
		return say_skipped("bpf(2) is refused");
	stay_on_a_cpu();
	failed += test_load();
	failed += test_parse();
	failed += test_admit();
	failed += test_hash();
	failed += test_choose();
	failed += test_steer();
	failed += test_cookie();
	failed += test_track();
	return failed != 0;
}
