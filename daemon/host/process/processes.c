/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "host/process/process.h"

static int compare_pids(const void *a, const void *b)
{
	const struct processes_entry *x = a, *y = b;

	if (x->user != y->user)
		return x->user < y->user ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int add_process(struct processes *processes, size_t *room, pid_t pid)
{
	struct processes_entry entry = {.pid = pid};
	size_t more = *room ? 2 * *room : 256;
	void *list;

	if (process_user(pid, NULL, &entry.user))
		return 0; /* it is gone */
	if (processes->count == *room) {
		list = reallocarray(processes->list, more, sizeof(entry));
		if (!list)
			return -ENOMEM;
		processes->list = list;
		*room = more;
	}
	processes->list[processes->count++] = entry;
	return 0;
}

int processes_list(struct processes *processes)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	size_t room = 0;
	int err = 0;

	*processes = (struct processes){0};
	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			err = add_process(processes, &room, atoi(entry->d_name));
	closedir(dir);
	if (err)
		processes_free(processes);
	else if (processes->count)
		qsort(processes->list, processes->count, sizeof(*processes->list), compare_pids);
	return err;
}

void processes_free(struct processes *processes)
{
	free(processes->list);
	processes->list = NULL;
}
