/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/inspect.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "inspect.skel.h"

enum { TABLES = 8, /* of a process */ AT_ONCE = 512 /* descriptors */ };

static struct inspect *loaded;

struct look {
	uint32_t *left;
	bool (*each)(void *arg, pid_t thread, const struct lb_descriptor *descriptor);
	void *arg;
	bool is_ended; /* by each() */
};

static void pay_cost(uint32_t *left, uint32_t cost)
{
	*left -= cost < *left ? cost : *left;
}

int inspect_load(void)
{
	if (!loaded)
		loaded = inspect__open_and_load();
	return loaded ? 0 : -errno;
}

static int iterate_program(int program, union bpf_iter_link_info info)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info,
		    .iter_info_len = sizeof(info));
	int link = bpf_link_create(program, 0, BPF_TRACE_ITER, &options), iterator;

	if (link < 0)
		return link;
	iterator = bpf_iter_create(link);
	close(link); /* the iterator has it */
	return iterator;
}

int inspect_iterate(int program, pid_t thread)
{
	/* Danger: 0 would be all there are. */
	return thread > 0 ? iterate_program(program, (union bpf_iter_link_info){.task.tid = thread})
			  : -ESRCH;
}

/* How many, or -errno. */
static int read_tables(pid_t pid, struct lb_table tables[TABLES], uint32_t *left)
{
	union bpf_iter_link_info info = {.task.pid = pid};
	int iterator = iterate_program(bpf_program__fd(loaded->progs.inspect_tables), info), err;
	ssize_t bytes;

	if (iterator < 0)
		return iterator;
	memset(&loaded->bss->inspected, 0, sizeof(loaded->bss->inspected));
	bytes = read(iterator, tables, TABLES * sizeof(*tables));
	err = bytes < 0 ? -errno : 0;
	close(iterator);
	pay_cost(left, loaded->bss->inspected.threads * INSPECT_DESCRIPTOR);
	if (err == -EAGAIN) /* none in LB_THREADS */
		return 0;
	return err ? err : (int)((size_t)bytes / sizeof(*tables));
}

/* As far as it was looked at: *next is the first slot behind the last descriptor. */
static void give_descriptors(struct look *look, pid_t thread,
			     const struct lb_descriptor *descriptors, size_t count, uint32_t *next)
{
	for (size_t i = 0; i < count && *look->left && !look->is_ended; i++) {
		pay_cost(look->left, descriptors[i].fd - *next + INSPECT_DESCRIPTOR);
		*next = descriptors[i].fd + 1;
		look->is_ended = !look->each(look->arg, thread, &descriptors[i]);
	}
}

/* 1 at the table's end, 0 before it, or -errno. */
static int each_of_table(struct look *look, pid_t thread, uint32_t *next)
{
	struct lb_descriptor read_in[AT_ONCE];
	int iterator = inspect_iterate(bpf_program__fd(loaded->progs.inspect_files), thread), err;
	ssize_t bytes = 1;

	*next = 0;
	if (iterator < 0)
		return iterator;
	while (*look->left && !look->is_ended &&
	       (bytes = read(iterator, read_in, sizeof(read_in))) > 0)
		give_descriptors(look, thread, read_in, (size_t)bytes / sizeof(*read_in), next);
	err = bytes < 0 ? -errno : !bytes;
	close(iterator);
	return err;
}

/* Most processes have one thread: of these nothing more is asked. */
static int find_tables(pid_t pid, struct lb_table tables[TABLES], uint32_t *left)
{
	if (loaded->bss->inspected_file.threads != 1)
		return read_tables(pid, tables, left);
	tables[0] = (struct lb_table){(uint32_t)pid, loaded->bss->inspected_file.slots};
	return 1;
}

int inspect_each_descriptor(pid_t pid, uint32_t *left,
			    bool (*each)(void *arg, pid_t thread,
					 const struct lb_descriptor *descriptor),
			    void *arg)
{
	struct look look = {left, each, arg, false};
	struct lb_table tables[TABLES];
	int ret = inspect_load(), count;
	uint32_t next;

	if (ret)
		return ret;
	memset(&loaded->bss->inspected_file, 0, sizeof(loaded->bss->inspected_file));
	ret = each_of_table(&look, pid, &next);
	if (ret <= 0)
		return ret;
	count = find_tables(pid, tables, left);
	for (int i = 0; i < count && ret > 0; i++) {
		pid_t thread = (pid_t)tables[i].thread;

		if (thread != pid)
			ret = *left ? each_of_table(&look, thread, &next) : 0;
		if (ret > 0)
			pay_cost(left, tables[i].slots > next ? tables[i].slots - next : 0);
	}
	return count < 0 ? count : ret;
}

int inspect_task(pid_t pid, struct lb_task *task)
{
	int iterator = inspect_load(), err;
	ssize_t bytes;

	if (!iterator)
		iterator = inspect_iterate(bpf_program__fd(loaded->progs.inspect_task), pid);
	if (iterator < 0)
		return iterator;
	bytes = read(iterator, task, sizeof(*task));
	err = bytes < 0 ? -errno : -ESRCH;
	close(iterator);
	return bytes == sizeof(*task) ? 0 : err;
}
