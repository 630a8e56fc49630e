/* SPDX-License-Identifier: Apache-2.0 */
/* A link that outlasts lbd, as a descriptor: libbpf's struct bpf_link has no XDP flags. */
#include <errno.h>
#include <unistd.h>

#include "datapath/internal.h"

int link_make(const struct datapath *dp, const char *name, const struct bpf_program *program,
	      int target, enum bpf_attach_type type)
{
	char path[PINS_PATH_BYTES];
	int err, link = bpf_link_create(bpf_program__fd(program), target, type, NULL);

	if (link < 0)
		return link;
	err = bpf_obj_pin(link, pins_path(path, dp->instance, "links", name));
	if (!err)
		return link;
	close(link);
	return err;
}

int link_adopt(const struct datapath *dp, const char *name, const struct bpf_program *program)
{
	char path[PINS_PATH_BYTES];
	int err, link = bpf_obj_get(pins_path(path, dp->instance, "links", name));

	if (link < 0)
		return link;
	err = bpf_link_update(link, bpf_program__fd(program), NULL);
	if (!err)
		return link;
	close(link);
	if (err != -ENOLINK)
		return err;
	unlink(path);
	return -ENOENT;
}
