/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/interfaces.h"
#include "host/process/inspect.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "unit/own_netns.h"

#define MAKE_VETH "ip link add eth0 type veth peer name peer0 && ip link set eth0 up"

enum { PATIENCE_US = 60000000 };

static int descriptors; /* before the test */
static sd_event *event;
static struct datapath *dp;
static struct interfaces *interfaces;
static struct error error;

static void open_all(void)
{
	if (datapath_open("t", &dp, &error) || interfaces_new(event, dp, &interfaces, &error))
		fail_msg("%s", error.text);
}

static int setup(void **state)
{
	(void)state;
	if (!privileged)
		return 0;
	assert_int_equal(inspect_load(), 0); /* stays for good */
	descriptors = own_descriptors();
	assert_true(sd_event_new(&event) >= 0);
	open_all();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!privileged)
		return 0;
	interfaces_free(interfaces);
	datapath_destroy(dp);
	sd_event_unref(event);
	assert_int_equal(own_descriptors(), descriptors);
	if (if_nametoindex("eth0"))
		run("ip link del eth0");
	return 0;
}

static int reconcile(const char *name, int mode)
{
	struct conf_attach want = {.interface = (char *)name, .mode = mode};

	return interfaces_reconcile(interfaces, &want, name ? 1 : 0);
}

static int attach(const char *name, int mode)
{
	struct conf_attach want = {.interface = (char *)name, .mode = mode};

	error.text[0] = '\0';
	return interfaces_attach(interfaces, &want, &error);
}

struct status {
	char interface[IFNAMSIZ], tier[16], note[ERROR_TEXT_BYTES];
	int ifindex, count;
};

static void see(void *arg, const struct interfaces_status *status)
{
	struct status *seen = arg;

	seen->count++;
	seen->ifindex = status->ifindex;
	snprintf(seen->interface, sizeof(seen->interface), "%s", status->interface);
	snprintf(seen->tier, sizeof(seen->tier), "%s", status->tier);
	snprintf(seen->note, sizeof(seen->note), "%s", status->note ? status->note : "");
}

static struct status status(void)
{
	struct status seen = {.tier = "nothing"};

	interfaces_each(interfaces, see, &seen);
	return seen;
}

static void assert_tier(const char *tier, const char *note)
{
	struct status seen = status();

	assert_string_equal(seen.tier, tier);
	if (note)
		assert_non_null(strstr(seen.note, note));
	else
		assert_string_equal(seen.note, "");
}

static int kernel_mode(const char *name)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(name), 0, &opts), 0);
	return opts.attach_mode;
}

/* Runs the loop until the interface is in this tier; an event that never comes fails the test. */
static void wait_for_tier(const char *tier)
{
	while (strcmp(status().tier, tier))
		if (sd_event_run(event, PATIENCE_US) <= 0)
			fail_msg("still %s, not %s", status().tier, tier);
}

static void test_modes(void **state)
{
	static const struct {
		const char *interface;
		int mode, kernel_mode;
		const char *tier, *note;
	} rows[] = {
		{"eth0", ATTACH_AUTO, XDP_ATTACHED_DRV, "native", NULL},
		{"eth0", ATTACH_GENERIC, XDP_ATTACHED_SKB, "generic", NULL},
		{"eth0", ATTACH_NATIVE, XDP_ATTACHED_DRV, "native", NULL},
		{"lo", ATTACH_AUTO, XDP_ATTACHED_SKB, "generic", "the driver has none"},
		{"lo", ATTACH_NATIVE, XDP_ATTACHED_NONE, "none", "the driver has none"},
		{"lo", ATTACH_GENERIC, XDP_ATTACHED_SKB, "generic", NULL},
	};

	(void)state;
	need_privilege();
	run(MAKE_VETH);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("%s %d\n", rows[i].interface, rows[i].mode);
		assert_int_equal(reconcile(rows[i].interface, rows[i].mode), 0);
		assert_int_equal(kernel_mode(rows[i].interface), rows[i].kernel_mode);
		assert_tier(rows[i].tier, rows[i].note);
		assert_int_equal(status().count, 1);
		assert_int_equal(status().ifindex, if_nametoindex(rows[i].interface));
	}
	assert_int_equal(reconcile(NULL, 0), 0);
	assert_int_equal(kernel_mode("lo"), XDP_ATTACHED_NONE);
	assert_int_equal(status().count, 0);
}

static void test_vanish_and_return(void **state)
{
	int ifindex;

	(void)state;
	need_privilege();
	assert_int_equal(reconcile("eth0", ATTACH_AUTO), 0);
	assert_tier("none", "waits");
	for (int i = 0; i < 3; i++) {
		run(MAKE_VETH);
		wait_for_tier("native");
		assert_tier("native", NULL);
		ifindex = status().ifindex;
		assert_int_equal(ifindex, if_nametoindex("eth0"));
		assert_int_equal(kernel_mode("eth0"), XDP_ATTACHED_DRV);
		run("ip link del eth0");
		wait_for_tier("none");
		assert_int_equal(status().ifindex, 0);
	}
	/* Both within one wake-up. */
	run(MAKE_VETH);
	wait_for_tier("native");
	ifindex = status().ifindex;
	run("ip link del eth0 && " MAKE_VETH);
	while (status().ifindex == ifindex)
		assert_true(sd_event_run(event, PATIENCE_US) > 0);
	assert_int_equal(kernel_mode("eth0"), XDP_ATTACHED_DRV);
}

/* The name is what is wanted, not the device. */
static void test_rename(void **state)
{
	(void)state;
	need_privilege();
	run(MAKE_VETH);
	assert_int_equal(reconcile("eth0", ATTACH_AUTO), 0);
	run("ip link set eth0 down && ip link set eth0 name eth1");
	wait_for_tier("none");
	assert_int_equal(kernel_mode("eth1"), XDP_ATTACHED_NONE);
	run("ip link set eth1 name eth0");
	wait_for_tier("native");
}

/* What an earlier lbd has attached: kept in its mode, or detached when it is not wanted any more. */
static void test_earlier(void **state)
{
	(void)state;
	need_privilege();
	run(MAKE_VETH);
	assert_int_equal(reconcile("eth0", ATTACH_GENERIC), 0);
	interfaces_free(interfaces);
	datapath_close(dp);
	open_all();
	assert_int_equal(reconcile("eth0", ATTACH_AUTO), 0);
	assert_int_equal(kernel_mode("eth0"), XDP_ATTACHED_SKB);
	assert_tier("generic", NULL);
	interfaces_free(interfaces);
	datapath_close(dp);
	open_all();
	assert_int_equal(reconcile("lo", ATTACH_AUTO), 0);
	assert_int_equal(kernel_mode("eth0"), XDP_ATTACHED_NONE);
}

static int foreign_program(void)
{
	struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "passer", "GPL", pass, 2, NULL);
}

/* Refused, kept wanted by a configuration, and attached as soon as the other has left. */
static void test_foreign(void **state)
{
	int program;

	(void)state;
	need_privilege();
	run(MAKE_VETH);
	program = foreign_program();
	assert_int_equal(
		bpf_xdp_attach((int)if_nametoindex("eth0"), program, XDP_FLAGS_DRV_MODE, NULL), 0);
	assert_int_equal(attach("eth0", ATTACH_AUTO), -EBUSY);
	assert_ptr_equal(strstr(error.text, "interface eth0: "), error.text);
	assert_non_null(strstr(error.text, "\"passer\""));
	assert_int_equal(status().count, 0);
	assert_int_equal(reconcile("eth0", ATTACH_AUTO), 0);
	assert_tier("none", "\"passer\"");
	run("ip link set dev eth0 xdp off");
	wait_for_tier("native");
	assert_tier("native", NULL);
	close(program);
}

static void test_attach(void **state)
{
	(void)state;
	need_privilege();
	run(MAKE_VETH);
	assert_int_equal(attach("eth0", ATTACH_AUTO), 0);
	assert_int_equal(attach("eth0", ATTACH_AUTO), 0);
	assert_tier("native", NULL);
	assert_int_equal(attach("eth0", ATTACH_GENERIC), 0);
	assert_tier("generic", NULL);
	assert_int_equal(attach("eth9", ATTACH_AUTO), -ENODEV);
	assert_non_null(strstr(error.text, "interface eth9: "));
	assert_non_null(strstr(error.text, "lo"));
	assert_non_null(strstr(error.text, "eth0"));
	assert_int_equal(status().count, 1);
}

/* A mode that is refused leaves what was attached. */
static void test_attach_refused(void **state)
{
	(void)state;
	need_privilege();
	assert_int_equal(attach("lo", ATTACH_GENERIC), 0);
	assert_int_equal(attach("lo", ATTACH_NATIVE), -EOPNOTSUPP);
	assert_tier("generic", NULL);
	assert_int_equal(kernel_mode("lo"), XDP_ATTACHED_SKB);
}

/* More messages than the socket has room for: those lost are made up for. */
static void test_overrun(void **state)
{
	(void)state;
	need_privilege();
	assert_int_equal(reconcile("eth0", ATTACH_AUTO), 0);
	run("ip link add d0 type veth peer name d1 && for i in $(seq 1500); do"
	    " echo link set d0 mtu $((1000 + i)); done | ip -batch - && ip link del d0");
	run(MAKE_VETH);
	wait_for_tier("native");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vanish_and_return, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rename, setup, teardown),
		cmocka_unit_test_setup_teardown(test_earlier, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrun, setup, teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	own_netns_enter();
	return cmocka_run_group_tests_name("interfaces", tests, NULL, NULL);
}
