/* SPDX-License-Identifier: Apache-2.0 */
/* ingress on interfaces: links pinned as links/ingress_NAME. */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath/internal.h"
#include "datapath/pins/others.h"

#define PREFIX "ingress_"

enum { PIN_NAME_BYTES = sizeof(PREFIX) + IFNAMSIZ };

static void replace_bytes(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

/* bpffs allows no dots, which names of VLAN interfaces have; interfaces' names allow no %. */
static const char *xdp_pin_name(char out[PIN_NAME_BYTES], const char *interface)
{
	snprintf(out, PIN_NAME_BYTES, PREFIX "%s", interface);
	replace_bytes(out, '.', '%');
	return out;
}

/* The interface that a pin is named after; false: it is another link's. */
static bool pin_interface(const char *name, char interface[IFNAMSIZ])
{
	if (strncmp(name, PREFIX, strlen(PREFIX)))
		return false;
	snprintf(interface, IFNAMSIZ, "%s", name + strlen(PREFIX));
	replace_bytes(interface, '%', '.');
	return true;
}

static const char *pin_path(const struct datapath *dp, char path[PINS_PATH_BYTES],
			    const char *interface)
{
	char name[PIN_NAME_BYTES];

	return pins_path(path, dp->instance, "links", xdp_pin_name(name, interface));
}

static struct attached **find_attached(struct datapath *dp, const char *interface)
{
	struct attached **at = &dp->attached;

	while (*at && strcmp((*at)->interface, interface))
		at = &(*at)->next;
	return at;
}

/* Takes the link over, in any case but that of no memory. */
static int add_attached(struct datapath *dp, const char *interface, int ifindex,
			enum datapath_mode mode, int link)
{
	struct attached *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct attached){
		.next = dp->attached, .ifindex = ifindex, .mode = mode, .link = link};
	snprintf(a->interface, sizeof(a->interface), "%s", interface);
	dp->attached = a;
	return 0;
}

int datapath_detach(struct datapath *dp, const char *interface)
{
	struct attached **at = find_attached(dp, interface), *a = *at;
	char path[PINS_PATH_BYTES];
	int err;

	if (!a)
		return -ENOENT;
	err = bpf_link_detach(a->link);
	unlink(pin_path(dp, path, interface));
	close(a->link);
	*at = a->next;
	free(a);
	return err;
}

static int link_ifindex(int link)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &length))
		return 0;
	return info.type == BPF_LINK_TYPE_XDP ? (int)info.xdp.ifindex : 0;
}

/* What is attached, by mode, as `ip link set dev DEV MODE off` calls them. */
struct found {
	uint32_t program;
	const char *mode, *off;
};

static struct found query_program(int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	if (bpf_xdp_query(ifindex, 0, &opts))
		return (struct found){.off = "xdp"};
	if (opts.drv_prog_id || (opts.prog_id && opts.attach_mode == XDP_ATTACHED_DRV))
		return (struct found){opts.drv_prog_id ? opts.drv_prog_id : opts.prog_id, "native",
				      "xdp"};
	if (opts.skb_prog_id || (opts.prog_id && opts.attach_mode == XDP_ATTACHED_SKB))
		return (struct found){opts.skb_prog_id ? opts.skb_prog_id : opts.prog_id, "generic",
				      "xdpgeneric"};
	return (struct found){opts.hw_prog_id, "offloaded", "xdpoffload"};
}

struct adoption {
	struct datapath *dp;
	struct error *error;
	int err;
};

/* -ENOLINK: the interface has vanished. */
static int adopt_link(struct datapath *dp, const char *interface, int link)
{
	int err = bpf_link_update(link, bpf_program__fd(dp->skel->progs.ingress), NULL);
	int ifindex = link_ifindex(link);
	bool is_generic;

	if (err)
		return err;
	is_generic = !strcmp(query_program(ifindex).off, "xdpgeneric");
	return add_attached(dp, interface, ifindex, is_generic ? DATAPATH_GENERIC : DATAPATH_NATIVE,
			    link);
}

static void adopt_pin(void *arg, const char *name)
{
	struct adoption *adoption = arg;
	char path[PINS_PATH_BYTES], interface[IFNAMSIZ];
	int err, link;

	if (adoption->err || !pin_interface(name, interface))
		return;
	link = bpf_obj_get(pins_path(path, adoption->dp->instance, "links", name));
	err = link < 0 ? link : adopt_link(adoption->dp, interface, link);
	if (!err)
		return;
	if (link >= 0)
		close(link);
	if (err == -ENOLINK)
		unlink(path);
	else
		adoption->err = error_set(adoption->error, err, "cannot adopt %s: %s", path,
					  strerror(-err));
}

int xdp_adopt(struct datapath *dp, struct error *error)
{
	struct adoption adoption = {.dp = dp, .error = error};
	int err = pins_each_link(dp->instance, adopt_pin, &adoption);

	if (err)
		return error_set(error, err, "cannot read the pinned links: %s", strerror(-err));
	return adoption.err;
}

void xdp_close(struct datapath *dp)
{
	struct attached *a;

	while ((a = dp->attached)) {
		dp->attached = a->next;
		close(a->link);
		free(a);
	}
}

void xdp_detach_all(struct datapath *dp)
{
	while (dp->attached)
		datapath_detach(dp, dp->attached->interface);
}

/* The bpf_link that holds a program on an interface; 0: none does. */
static uint32_t holding_link(int ifindex, uint32_t program)
{
	struct bpf_link_info info;
	uint32_t id = 0, length;
	int link;

	while (!bpf_link_get_next_id(id, &id)) {
		link = bpf_link_get_fd_by_id(id);
		if (link < 0)
			continue;
		memset(&info, 0, sizeof(info));
		length = sizeof(info);
		if (bpf_obj_get_info_by_fd(link, &info, &length))
			info.type = BPF_LINK_TYPE_UNSPEC;
		close(link);
		if (info.type == BPF_LINK_TYPE_XDP && (int)info.xdp.ifindex == ifindex &&
		    info.prog_id == program)
			return id;
	}
	return 0;
}

/* -EPERM: once it runs, lbd cannot open what is not its own (CAP_SYS_ADMIN). */
static int program_name(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	snprintf(name, BPF_OBJ_NAME_LEN, "?");
	if (fd < 0)
		return fd;
	if (!bpf_obj_get_info_by_fd(fd, &info, &length) && info.name[0])
		memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	close(fd);
	return 0;
}

/* Refuses an interface that somebody else's program is on, with what to do about it. */
static int check_foreign(const char *interface, int ifindex, struct error *error)
{
	struct found found = query_program(ifindex);
	char name[BPF_OBJ_NAME_LEN], instance[OTHERS_NAME_BYTES];
	uint32_t link;

	if (!found.program)
		return 0;
	if (others_find_program(found.program, instance))
		return error_set(
			error, -EBUSY,
			"instance %s of lbd is attached there, and an interface takes one: what "
			"others serve goes on without, by steer; to have it here: "
			"`lbctl -n %s detach %s` first",
			instance, instance, interface);
	if (program_name(found.program, name) == -EPERM)
		return error_set(
			error, -EBUSY,
			"%s XDP program of somebody else's is attached: `bpftool prog show "
			"id %u` names it; if it is not needed: `ip link set dev %s xdp "
			"off`, or `bpftool link detach` where `bpftool link` shows it",
			found.mode, found.program, interface);
	link = holding_link(ifindex, found.program);
	if (link)
		return error_set(
			error, -EBUSY,
			"%s XDP program \"%s\" (id %u) of somebody else's is attached, held "
			"by bpf_link %u: its owner must end it (`bpftool link show id %u` "
			"says who), or `bpftool link detach id %u` takes it away",
			found.mode, name, found.program, link, link, link);
	return error_set(
		error, -EBUSY,
		"%s XDP program \"%s\" (id %u) of somebody else's is attached; if it is not "
		"needed: `ip link set dev %s %s off`",
		found.mode, name, found.program, interface, found.off);
}

static const char *attach_hint(int err)
{
	switch (err) {
	case -EOPNOTSUPP:
		return "the driver has none";
	case -EINVAL:
	case -ERANGE:
		return "the MTU may be too large for it, or LRO on (`ethtool -K DEV lro off`)";
	case -ENOSPC:
		return "too few receive queues (`ethtool -L DEV rx N`)";
	case -ENODEV:
		return "the interface has vanished";
	default:
		return "refused by the kernel";
	}
}

static int attach_new(struct datapath *dp, const char *interface, int ifindex,
		      enum datapath_mode mode, struct error *error)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = mode == DATAPATH_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	const char *what = mode == DATAPATH_NATIVE ? "native" : "generic";
	char path[PINS_PATH_BYTES], now[IFNAMSIZ];
	int err, link = bpf_link_create(bpf_program__fd(dp->skel->progs.ingress), ifindex, BPF_XDP,
					&opts);

	if (link == -EINVAL && !if_indextoname(ifindex, now))
		link = -ENODEV; /* which the kernel does not tell apart */
	if (link < 0)
		return error_set(error, link, "%s XDP: %s (%s)", what, attach_hint(link),
				 strerror(-link));
	err = bpf_obj_pin(link, pin_path(dp, path, interface));
	if (err) {
		error_set(error, err, "cannot pin %s: %s", path, strerror(-err));
		goto out;
	}
	err = add_attached(dp, interface, ifindex, mode, link);
	if (!err)
		return 0;
	error_set(error, err, "out of memory");
	unlink(path);
out:
	bpf_link_detach(link);
	close(link);
	return err;
}

int datapath_attach(struct datapath *dp, const char *interface, int ifindex,
		    enum datapath_mode mode, struct error *error)
{
	struct attached *a = *find_attached(dp, interface);
	int err;

	if (a && a->ifindex == ifindex && a->mode == mode && link_ifindex(a->link) == ifindex)
		return 0;
	if (a)
		datapath_detach(dp, interface);
	err = check_foreign(interface, ifindex, error);
	return err ? err : attach_new(dp, interface, ifindex, mode, error);
}

int datapath_each_attached(struct datapath *dp,
			   void (*each)(void *arg, const char *interface, int ifindex,
					enum datapath_mode mode),
			   void *arg)
{
	for (const struct attached *a = dp->attached; a; a = a->next)
		each(arg, a->interface, a->ifindex, a->mode);
	return 0;
}
