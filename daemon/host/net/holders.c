/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a socket is: who has a descriptor of it. */
#include "host/net/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cgroup/cgroup.h"
#include "host/process/inspect.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "host/process/processes.h"

/*
 * Any user may hold a million descriptors, or have room for them, in each of many processes and threads, and the
 * event loop waits for this walk.  So a user, a control group and a session each have a share of it, which nobody
 * else's descriptors take.
 *
 * Users may be many as well, one person's too (subuid(5) gives 65536): all of them together have a bound, of which
 * each first gets a small share, in the order of their numbers, so that the ranges of subuid(5) come last; and
 * those who made a socket that is looked for have a bound of their own.  Root's descriptors are without bound.
 */
enum {
	SHARE = 32768 * INSPECT_DESCRIPTOR,
	FIRST_SHARE = 1024 * INSPECT_DESCRIPTOR,
	ALL_USERS = 32 * SHARE,
};

struct wanted {
	uint32_t inode;
	uint32_t left; /* what may still be looked at in its group or session, see inspect.h */
	struct sockets_holder *holder;
};

struct search {
	struct wanted *wanted; /* by inode */
	size_t count, missing;
	bool (*may_be)(pid_t pid);
};

static int wanted_compare(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* A child that has not come to its program yet: it has a copy of all that we hold, and closes them. */
static bool is_copy(pid_t pid)
{
	struct process_stat process;

	return pid != getpid() && !process_stat(pid, &process) && process.parent == getpid() &&
	       process_is_fork(pid);
}

static bool is_asked_for(const struct sockets_holder *holder, pid_t pid)
{
	struct process_stat stat;

	if (holder->no_copy && is_copy(pid))
		return false;
	return !holder->session || (!process_stat(pid, &stat) && stat.session == holder->session);
}

struct process_search {
	struct search *search;
	pid_t pid;
};

/* A socket that we hold too is better named by its other holder. */
static bool search_descriptor(void *arg, pid_t thread, const struct lb_descriptor *descriptor)
{
	struct search *s = ((struct process_search *)arg)->search;
	pid_t pid = ((struct process_search *)arg)->pid;
	struct wanted key = {.inode = descriptor->inode}, *found = NULL;
	struct sockets_holder *holder;

	if (key.inode)
		found = bsearch(&key, s->wanted, s->count, sizeof(key), wanted_compare);
	holder = found ? found->holder : NULL;
	if (!holder || (holder->pid && holder->pid != getpid()) || !is_asked_for(holder, pid))
		return true;
	if (pid != getpid())
		s->missing--;
	holder->pid = pid;
	holder->thread = thread;
	holder->fd = (int)descriptor->fd;
	process_name(pid, holder->comm);
	return s->missing;
}

/* Whether nothing of it is left to be looked at. */
static bool search_process(struct search *s, pid_t pid, uint32_t *left)
{
	struct process_search search = {s, pid};

	/* What cannot be looked at now is not looked at again. */
	return !s->may_be(pid) || inspect_each_descriptor(pid, left, search_descriptor, &search);
}

struct group_search {
	struct search *search;
	struct wanted *wanted;
};

static bool search_member(void *arg, pid_t pid)
{
	struct group_search *group = arg;

	search_process(group->search, pid, &group->wanted->left);
	return group->wanted->left && !group->wanted->holder->pid;
}

static void search_groups(struct search *s)
{
	for (size_t i = 0; i < s->count && s->missing; i++) {
		struct group_search group = {s, &s->wanted[i]};
		const struct sockets_holder *holder = group.wanted->holder;

		if (holder->group && !holder->pid)
			cgroup_each_process(holder->group, search_member, &group);
	}
}

static void search_sessions(struct search *s, const struct processes *processes)
{
	for (size_t i = 0; i < processes->count && s->missing; i++) {
		pid_t pid = processes->list[i].pid;
		struct process_stat stat;

		if (process_stat(pid, &stat))
			continue;
		for (size_t j = 0; j < s->count; j++) {
			const struct sockets_holder *holder = s->wanted[j].holder;

			if (!holder->session || holder->session != stat.session || holder->pid)
				continue;
			search_process(s, pid, &s->wanted[j].left);
			break;
		}
	}
}

static bool is_of_session(const struct sockets_holder *holder)
{
	return holder->session;
}

static bool is_of_any(const struct sockets_holder *holder)
{
	return !holder->session;
}

static bool lacks_holder(const struct search *s,
			 bool (*is_one)(const struct sockets_holder *holder))
{
	for (size_t i = 0; i < s->count; i++)
		if ((!s->wanted[i].holder->pid || s->wanted[i].holder->pid == getpid()) &&
		    is_one(s->wanted[i].holder))
			return true;
	return false;
}

static bool is_maker(const struct search *s, uid_t user)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->wanted[i].holder->user == user)
			return true;
	return !user;
}

/* The processes of one user, from the first-th on; returns where the next user's begin. */
static size_t search_user(struct search *s, struct processes *processes, size_t first,
			  uint32_t *left)
{
	uid_t user = processes->list[first].user;
	size_t i = first;

	for (; i < processes->count && processes->list[i].user == user; i++) {
		struct processes_entry *process = &processes->list[i];

		if (*left && s->missing && !process->is_done)
			process->is_done = search_process(s, process->pid, left);
	}
	return i;
}

static void search_users(struct search *s, struct processes *processes, bool makers_alone,
			 uint32_t share, uint32_t *all)
{
	size_t i = 0, next;

	while (i < processes->count && s->missing) {
		uid_t user = processes->list[i].user;
		bool is_looked_at = !makers_alone || is_maker(s, user);
		uint32_t most = share < *all ? share : *all;
		uint32_t left = !is_looked_at ? 0 : user ? most : UINT32_MAX;

		next = search_user(s, processes, i, &left);
		if (user && is_looked_at)
			*all -= most - left;
		i = next;
	}
}

static int search_proc(struct search *s)
{
	uint32_t makers = ALL_USERS, all = ALL_USERS;
	struct processes processes;
	int err = processes_list(&processes);

	if (err)
		return err;
	if (lacks_holder(s, is_of_session))
		search_sessions(s, &processes);
	if (lacks_holder(s, is_of_any)) {
		search_users(s, &processes, true, FIRST_SHARE, &makers);
		search_users(s, &processes, true, SHARE, &makers);
		search_users(s, &processes, false, FIRST_SHARE, &all);
		search_users(s, &processes, false, SHARE, &all);
	}
	processes_free(&processes);
	return 0;
}

static int search_all(struct search *s)
{
	search_groups(s);
	return s->missing ? search_proc(s) : 0;
}

int sockets_find_holders_among(bool (*may_be)(pid_t pid), const uint32_t *inodes, size_t count,
			       struct sockets_holder *holders)
{
	struct search s = {.count = count, .missing = count, .may_be = may_be};
	int err;

	if (!count)
		return 0;
	s.wanted = calloc(count, sizeof(*s.wanted));
	if (!s.wanted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		holders[i] = (struct sockets_holder){.inode = inodes[i],
						     .session = holders[i].session,
						     .group = holders[i].group,
						     .user = holders[i].user,
						     .no_copy = holders[i].no_copy};
		s.wanted[i] = (struct wanted){inodes[i], SHARE, &holders[i]};
	}
	qsort(s.wanted, count, sizeof(*s.wanted), wanted_compare);
	err = search_all(&s);
	free(s.wanted);
	return err;
}

static bool may_be_any(pid_t pid)
{
	(void)pid;
	return true;
}

int sockets_find_holders(const uint32_t *inodes, size_t count, struct sockets_holder *holders)
{
	return sockets_find_holders_among(may_be_any, inodes, count, holders);
}
