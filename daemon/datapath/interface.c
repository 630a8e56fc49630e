/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/interface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "conf/conf.h"

enum { NAMES_SHOWN = 8 };

const char *interface_list_names(char text[INTERFACE_NAMES_BYTES])
{
	struct if_nameindex *all = if_nameindex();
	size_t used = 0;

	snprintf(text, INTERFACE_NAMES_BYTES, "none");
	for (int i = 0; all && all[i].if_index; i++) {
		used += snprintf(text + used, INTERFACE_NAMES_BYTES - used, "%s%s", i ? ", " : "",
				 i < NAMES_SHOWN ? all[i].if_name : "...");
		if (i == NAMES_SHOWN)
			break;
	}
	if_freenameindex(all);
	return text;
}

/* Which mode the link of an earlier lbd has: `auto` leaves it, so that nothing is detached. */
struct adopted {
	const struct interface *wanted;
	bool found;
	enum datapath_mode mode;
};

static void adopted_each(void *arg, const char *interface, int ifindex, enum datapath_mode mode)
{
	struct adopted *adopted = arg;

	if (ifindex != adopted->wanted->ifindex || strcmp(interface, adopted->wanted->name))
		return;
	adopted->found = true;
	adopted->mode = mode;
}

/* Would generic mode fare better than native did? */
static bool is_native_lack(int err)
{
	return err != -EBUSY && err != -ENODEV && err != -EPERM && err != -ENOMEM;
}

static int try_modes(struct datapath *dp, struct interface *interface, struct error *error)
{
	struct adopted adopted = {.wanted = interface};
	int err;

	datapath_each_attached(dp, adopted_each, &adopted);
	interface->mode = interface->wanted == ATTACH_GENERIC ? DATAPATH_GENERIC : DATAPATH_NATIVE;
	if (interface->wanted == ATTACH_AUTO && adopted.found)
		interface->mode = adopted.mode;
	err = datapath_attach(dp, interface->name, interface->ifindex, interface->mode, error);
	if (!err || interface->wanted != ATTACH_AUTO || interface->mode == DATAPATH_GENERIC ||
	    !is_native_lack(err))
		return err;
	snprintf(interface->note, sizeof(interface->note), "%s", error->text);
	interface->mode = DATAPATH_GENERIC;
	return datapath_attach(dp, interface->name, interface->ifindex, interface->mode, error);
}

int interface_attach(struct datapath *dp, struct interface *interface, struct error *error)
{
	interface->note[0] = '\0';
	interface->err = try_modes(dp, interface, error);
	interface->attached = !interface->err;
	if (interface->err)
		snprintf(interface->note, sizeof(interface->note), "%s", error->text);
	else if (interface->note[0])
		log_warning("interface %s: GENERIC XDP, slower than native; %s", interface->name,
			    interface->note);
	else
		log_info("interface %s: attached, %s XDP", interface->name,
			 interface->mode == DATAPATH_NATIVE ? "native" : "generic");
	return interface->err;
}

static void interface_detach(struct datapath *dp, struct interface *interface)
{
	if (interface->attached)
		datapath_detach(dp, interface->name);
	interface->attached = false;
	interface->err = 0;
}

static void wait_for_interface(struct interface *interface)
{
	char names[INTERFACE_NAMES_BYTES];

	snprintf(interface->note, sizeof(interface->note), "waits for the interface to appear");
	log_warning("interface %s is not there (there are: %s); it is attached when it appears",
		    interface->name, interface_list_names(names));
}

void interface_sync(struct datapath *dp, struct interface *interface, bool is_new)
{
	int ifindex = if_nametoindex(interface->name);
	char before[ERROR_TEXT_BYTES];
	struct error error;

	if (!is_new && ifindex == interface->ifindex && interface->err != -EBUSY)
		return;
	if (ifindex != interface->ifindex)
		interface_detach(dp, interface);
	interface->ifindex = ifindex;
	if (!ifindex) {
		wait_for_interface(interface);
		return;
	}
	memcpy(before, interface->note, sizeof(before));
	if (interface_attach(dp, interface, &error) && strcmp(before, interface->note))
		log_error("interface %s: not attached: %s", interface->name, interface->note);
}
