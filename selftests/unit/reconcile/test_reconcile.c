/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of the configuration fails at each step at which it can: every call that may fail is made to
 * fail in its turn, and the model and the maps must be as before.  The calls are replaced when this test
 * is linked (ld --wrap, see the makefile).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "apply/apply.h"
#include "apply/owed.h"
#include "backend/backend.h"
#include "backend/process.h"
#include "base/addr.h"
#include "datapath/datapath.h"
#include "datapath/interfaces.h"
#include "datapath/internal.h"
#include "leave/leave.h"
#include "listeners/listeners.h"
#include "model/turn.h"
#include "reconcile/reconcile.h"
#include "roll/roll.h"
#include "unit/own_netns.h"
#include "worker/worker.h"

/* --- the calls that fail: the fail_at-th from now on; 0: none */

static unsigned fail_at, calls;
static bool removals_fail; /* all of maps, after it */
static const char *failed; /* which one it was */

static bool fails(const char *name)
{
	if (!fail_at || ++calls != fail_at)
		return false;
	failed = name;
	errno = ENOMEM;
	return true;
}

#define WRAP(type, name, parameters, arguments, failure)                                           \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails(#name) ? (failure) : __real_##name arguments;                         \
	}

WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL)
WRAP(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size), NULL)
WRAP(char *, strdup, (const char *text), (text), NULL)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
WRAP(FILE *, open_memstream, (char **text, size_t *size), (text, size), NULL)
WRAP(int, bpf_link_create,
     (int program, int target, enum bpf_attach_type type,
      const struct bpf_link_create_opts *options),
     (program, target, type, options), -ENOMEM)
static void look_who_serves(void);

int __real_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
int __wrap_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
int __wrap_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	int err = fails("bpf_map_update_elem") ? -ENOMEM
					       : __real_bpf_map_update_elem(fd, key, value, flags);

	look_who_serves();
	return err;
}

int __real_bpf_map_delete_elem(int fd, const void *key);
int __wrap_bpf_map_delete_elem(int fd, const void *key);
int __wrap_bpf_map_delete_elem(int fd, const void *key)
{
	bool is_refused = fails("bpf_map_delete_elem") || (failed && removals_fail);
	int err = is_refused ? -EBUSY : __real_bpf_map_delete_elem(fd, key);

	look_who_serves();
	return err;
}

WRAP(int, bpf_map_lookup_elem, (int fd, const void *key, void *value), (fd, key, value), -ENOMEM)

WRAP(int, bpf_map_lookup_batch,
     (int fd, void *in, void *out, void *keys, void *values, __u32 *count,
      const struct bpf_map_batch_opts *opts),
     (fd, in, out, keys, values, count, opts), -ENOMEM)
WRAP(int, bpf_map_create,
     (enum bpf_map_type map_type, const char *map_name, __u32 key_size, __u32 value_size,
      __u32 max_entries, const struct bpf_map_create_opts *opts),
     (map_type, map_name, key_size, value_size, max_entries, opts), -ENOMEM)
WRAP(void *, mmap, (void *at, size_t size, int prot, int flags, int fd, off_t offset),
     (at, size, prot, flags, fd, offset), MAP_FAILED)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
WRAP(int, sd_event_add_time,
     (sd_event * event, sd_event_source **source, clockid_t clock, uint64_t at, uint64_t slack,
      sd_event_time_handler_t handler, void *arg),
     (event, source, clock, at, slack, handler, arg), -ENOMEM)
WRAP(int, sd_event_add_time_relative,
     (sd_event * event, sd_event_source **source, clockid_t clock, uint64_t after, uint64_t slack,
      sd_event_time_handler_t handler, void *arg),
     (event, source, clock, after, slack, handler, arg), -ENOMEM)
WRAP(int, sd_event_add_io,
     (sd_event * event, sd_event_source **source, int fd, uint32_t events,
      sd_event_io_handler_t handler, void *arg),
     (event, source, fd, events, handler, arg), -ENOMEM)
WRAP(int, sd_event_add_defer,
     (sd_event * event, sd_event_source **source, sd_event_handler_t handler, void *arg),
     (event, source, handler, arg), -ENOMEM)

/* --- an lbd's model, with a kernel side of its own */

static struct model model;
static struct worker_host host;
static char dir[32];
static sd_event_source *events;
static int sockets[5] = {-1, -1, -1, -1, -1};
static struct error error;

static void changed(void *arg, struct backend *backend, enum state from, enum state to)
{
	(void)arg, (void)from;
	roll_changed(backend, to);
	leave_changed(backend);
}

static struct conf *conf_of(const char *body)
{
	struct block *root;
	struct conf *conf;
	char *text;

	assert_true(asprintf(&text, "log_directory %s; %s", dir, body) > 0);
	if (block_parse("test.conf", text, strlen(text), &root, &error) ||
	    conf_build(root, &conf, &error))
		fail_msg("%s", error.text);
	free(text);
	return conf;
}

static int follow(const char *text)
{
	struct conf *conf = conf_of(text);
	struct plan *plan;
	int err = reconcile_begin(&model, conf, &plan, &error);

	if (err)
		conf_free(conf);
	else
		reconcile_commit(plan, false);
	return err;
}

/* What a check has connected to ends here, too. */
static void end_connections(void)
{
	int fd;

	for (unsigned i = 0; i < 5; i++)
		while ((fd = accept4(sockets[i], NULL, NULL, SOCK_CLOEXEC)) >= 0)
			close(fd);
}

static void settle(uint64_t us)
{
	while (sd_event_run(model.event, us) > 0)
		end_connections();
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/reconcile.XXXXXX");
	assert_non_null(mkdtemp(dir));
	for (unsigned i = 0; i < 5; i++)
		sockets[i] = listen_on((uint16_t)(9001 + i));
	model = (struct model){.host = &host, .changes = {.tell = changed}};
	assert_true(sd_event_new(&model.event) >= 0);
	host = (struct worker_host){.event = model.event, .run_dir = dir};
	if (datapath_open("reconcile", &model.dp, &error) ||
	    interfaces_new(model.event, model.dp, &model.interfaces, &error))
		fail_msg("%s", error.text);
	backend_init(&model);
	assert_int_equal(apply_init(&model), 0);
	assert_int_equal(leave_init(&model), 0);
	assert_true(listeners_watch(&model, &events) >= 0);
	return 0;
}

static void end_worker(void *arg, struct backend *backend)
{
	(void)arg;
	if (backend->worker)
		worker_kill(backend->worker);
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	if (!model.dp)
		return 0;
	pool_each_backend(&model, end_worker, NULL);
	interfaces_free(model.interfaces);
	reconcile_free(&model);
	sd_event_source_disable_unref(events);
	datapath_destroy(model.dp);
	sd_event_unref(model.event);
	for (unsigned i = 0; i < 5; i++)
		close(sockets[i]);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* --- who would be chosen for a client, after each write */

static const char *watched; /* address of a service; NULL: none */
static unsigned looks, nobody;
static bool may_wait; /* somebody on the way is enough */

static bool serves(uint16_t id)
{
	struct lb_backend backend;
	uint64_t cookie;

	return !datapath_get_backend(model.dp, id, &backend) &&
	       backend.flags & LB_BACKEND_ENABLED &&
	       !datapath_get_listener(model.dp, id, false, &cookie);
}

static bool read_pool(const char *address, struct lb_pool *pool)
{
	struct lb_endpoint endpoint;
	struct lb_service service;
	uint32_t id;

	assert_int_equal(addr_parse_endpoint(address, &endpoint, &error), 0);
	if (datapath_get_service(model.dp, &endpoint, &service))
		return false;
	id = service.pool;
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(model.dp->skel->maps.pools), &id, pool),
			 0);
	return true;
}

static bool defers(const char *address)
{
	struct lb_pool pool;

	return read_pool(address, &pool) && pool.flags & LB_POOL_DEFER;
}

static bool any_serves(const char *address)
{
	struct lb_pool pool;

	if (!read_pool(address, &pool))
		return false;
	for (uint32_t i = 0; i < pool.count && i < LB_POOL_MEMBERS; i++)
		if (serves(pool.members[i]))
			return true;
	return false;
}

static void look_who_serves(void)
{
	if (!watched)
		return;
	looks++;
	nobody += !any_serves(watched) && !(may_wait && defers(watched));
}

/* --- what is compared */

struct lines {
	char *text[4096];
	size_t count;
};

static void __attribute__((format(printf, 2, 3))) add(struct lines *lines, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	assert_true(lines->count < 4096);
	assert_true(vasprintf(&lines->text[lines->count++], format, args) >= 0);
	va_end(args);
}

static void clear(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->text[i]);
	lines->count = 0;
}

static void add_backend(void *arg, struct backend *backend)
{
	add(arg,
	    "model: %p %s of %s id %u.%u %s goal %d weight %u/%u listens %d%d check %d/%d pid %d",
	    (void *)backend, backend->name, backend->pool->name, backend->id, backend->generation,
	    state_name(backend->state), backend->goal, backend->weight, backend->max_connections,
	    backend->listens[0], backend->listens[1], backend->check.health != NULL,
	    backend->check.prepared != NULL || backend->kept,
	    backend->worker ? worker_pid(backend->worker) : 0);
}

static void add_service_key(void *arg, const struct lb_endpoint *key,
			    const struct lb_service *value)
{
	char text[ADDR_TEXT_BYTES];

	add(arg, "map: service %s: %u pool %u flags %x", addr_format_endpoint(key, text), value->id,
	    value->pool, value->flags);
}

static void add_rule(void *arg, const struct lb_acl_key *key, int verdict)
{
	char text[ADDR_TEXT_BYTES];

	add(arg, "map: rule of %u: %s/%u %d", key->service, addr_format(&key->addr, text),
	    key->prefix_bits, verdict);
}

static void add_name(void *arg, const struct lb_endpoint *key, const struct lb_backend_id *value)
{
	char text[ADDR_TEXT_BYTES];

	add(arg, "map: %s is %u, flags %u owner %u", addr_format_endpoint(key, text),
	    value->backend, value->flags, value->maker);
}

static void add_arrays(struct lines *lines)
{
	for (uint32_t id = 0; id < 16; id++) {
		struct lb_backend backend;
		struct lb_pool pool;
		uint64_t sum = 0, cookies[2] = {0};

		assert_int_equal(datapath_get_backend(model.dp, (uint16_t)id, &backend), 0);
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(model.dp->skel->maps.pools), &id,
						     &pool),
				 0);
		for (int is_v6 = 0; is_v6 < 2; is_v6++)
			datapath_get_listener(model.dp, (uint16_t)id, is_v6, &cookies[is_v6]);
		for (uint32_t i = 0; i < pool.ring_entries; i++)
			sum = sum * 31 + model.dp->rings[id].entries[i];
		add(lines, "map: backend %u: %u weight %u flags %x most %u listeners %lx %lx", id,
		    backend.generation, backend.weight, backend.flags, backend.max_connections,
		    cookies[0], cookies[1]);
		add(lines, "map: pool %u: %u flags %x of %u: %u %u %u %u ring %u %lx", id,
		    pool.scheduler, pool.flags, pool.count, pool.members[0], pool.members[1],
		    pool.members[2], pool.members[3], pool.ring_entries, sum);
	}
	for (unsigned i = 0; i < 3;
	     i++) { /* of backends in `first`, which are there before and after */
		struct lb_tag tag = {0};

		bpf_map_lookup_elem(datapath_tags_fd(model.dp), &sockets[i], &tag);
		add(lines, "map: socket %u is of %u.%u", 9001 + i, tag.backend, tag.generation);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void look(struct lines *lines)
{
	clear(lines);
	add(lines, "model: conf %p", (void *)model.conf);
	for (size_t i = 0; i < model.pool_count; i++)
		add(lines, "model: pool %p %s id %u by %p, %zu backends", (void *)model.pools[i],
		    model.pools[i]->name, model.pools[i]->id, (const void *)model.pools[i]->conf,
		    model.pools[i]->count);
	for (size_t i = 0; i < model.service_count; i++)
		add(lines, "model: service %p %s id %u pool %s", (void *)model.services[i],
		    model.services[i]->name, model.services[i]->id, model.services[i]->pool->name);
	pool_each_backend(&model, add_backend, lines);
	datapath_each_service(model.dp, add_service_key, lines);
	datapath_each_acl(model.dp, add_rule, lines);
	datapath_each_backend_id(model.dp, add_name, lines);
	add_arrays(lines);
	qsort(lines->text, lines->count, sizeof(char *), by_text);
}

static bool same(const struct lines *before, const struct lines *after)
{
	bool is_same = before->count == after->count;

	for (size_t i = 0; i < before->count && is_same; i++)
		is_same = !strcmp(before->text[i], after->text[i]);
	return is_same;
}

static void show(const struct lines *before, const struct lines *after)
{
	size_t most = before->count > after->count ? before->count : after->count;

	for (size_t i = 0; i < most; i++) {
		if (i < before->count)
			print_message("before %s\n", before->text[i]);
		if (i < after->count)
			print_message("after  %s\n", after->text[i]);
	}
}

/* On a busy machine a socket may be taken with the next look at the listeners only. */
static bool becomes(const struct lines *before, struct lines *after)
{
	settle(0);
	look(after);
	for (int turn = 0; turn < 1000 && !same(before, after); turn++) {
		settle(10000);
		look(after);
	}
	return same(before, after);
}

/* --- what is left of those that are gone */

static unsigned left;

static void count_left(uint16_t id, const char *what)
{
	if (id < LB_MAX_BACKENDS && model.by_id[id])
		return;
	print_message("%s is known by %u, which nobody has\n", what, id);
	left++;
}

static void look_at_name(void *arg, const struct lb_endpoint *key,
			 const struct lb_backend_id *value)
{
	char text[ADDR_TEXT_BYTES];

	(void)arg;
	count_left(value->backend, addr_format_endpoint(key, text));
}

static void look_at_group(void *arg, uint64_t group, const struct lb_worker *value)
{
	(void)arg, (void)group;
	count_left(value->backend, "a control group");
}

static void look_at_listen(void *arg, const struct lb_endpoint *key, const struct lb_service *value)
{
	(void)arg, (void)value;
	for (size_t i = 0; i < model.service_count; i++)
		for (size_t j = 0; j < model.services[i]->conf->listen_count; j++)
			if (!memcmp(&model.services[i]->conf->listens[j], key, sizeof(*key)))
				return;
	left++;
}

static unsigned count_all_left(void)
{
	left = 0;
	datapath_each_backend_id(model.dp, look_at_name, NULL);
	datapath_each_worker(model.dp, look_at_group, NULL);
	datapath_each_service(model.dp, look_at_listen, NULL);
	for (uint16_t id = 0; id < LB_MAX_BACKENDS; id++) {
		struct lb_backend value;
		uint64_t cookie;

		if (model.by_id[id])
			continue;
		assert_int_equal(datapath_get_backend(model.dp, id, &value), 0);
		if (value.flags & LB_BACKEND_ENABLED)
			count_left(id, "a client's choice");
		for (int is_v6 = 0; is_v6 < 2; is_v6++)
			if (!datapath_get_listener(model.dp, id, is_v6, &cookie))
				count_left(id, "a listener");
	}
	return left;
}

/* What could not be removed keeps its id from being given away, and is removed by and by. */
static void look_that_none_is_left(void)
{
	for (int id = 0; id < LB_MAX_BACKENDS; id++)
		assert_false(model.by_id[id] && model.remnants[id].is_there);
	for (int turn = 0; turn < 50 && model.is_owing; turn++)
		owed_pay(&model);
	assert_false(model.is_owing);
	if (count_all_left())
		fail_msg("%s failed: %u left", failed ? failed : "nothing", left);
}

/* --- the rows: from one configuration to another */

#define WEB                                                                                        \
	"pool web { worker { command \"sleep 1000\"; ports 9101-9102; stop_signal KILL;"           \
	" start_timeout 1h; } drain_timeout 0; }"

static const char first[] =
	WEB "pool plain { backend 127.0.0.1:9001; backend 127.0.0.1:9002 weight 3; }"
	    "pool gone { scheduler round_robin; backend 127.0.0.1:9003; }"
	    "pool late { worker { command \"sleep 1000\"; ports 9201; autostart off; } }"
	    "service a { listen 127.0.0.1:80; pool plain; allow 10.0.0.0/8; deny all; }"
	    "service b { listen 127.0.0.1:81; listen 127.0.0.1:82; pool gone; }"
	    "service w { listen 127.0.0.1:83; pool web; }";

static const struct row {
	const char *name, *text;
} rows[] = {
	{"nothing", first},
	{"much at once",
	 WEB "pool plain { scheduler maglev; backend 127.0.0.1:9001 weight 2;"
	     " backend 127.0.0.1:9002 max_connections 9; backend 127.0.0.1:9004;"
	     " health { tcp; interval 1h; } }"
	     "pool new { scheduler maglev; backend 127.0.0.1:9005; }"
	     "pool late { worker { command \"sleep 1000\"; ports 9201-9202; autostart off; } }"
	     "service a { listen 127.0.0.1:80; listen 127.0.0.1:84; pool new;"
	     " allow 10.0.0.0/8; deny 10.1.0.0/16; }"
	     "service c { listen 127.0.0.1:82; listen 127.0.0.1:85; pool plain; deny 10.2.0.0/16; }"
	     "service w { listen 127.0.0.1:83; pool web; }"},
	{"a backend to another pool",
	 WEB "pool plain { backend 127.0.0.1:9001; }"
	     "pool gone { scheduler round_robin; backend 127.0.0.1:9003; backend 127.0.0.1:9002; }"
	     "service a { listen 127.0.0.1:80; pool gone; }"},
	{"nothing left", ""},
};

static bool lacks_check(const struct backend *backend)
{
	return !backend->check.health && backend->pool->conf->health.kind != HEALTH_NONE &&
	       (backend->listens[0] || backend->listens[1]);
}

/* What could not be written at once is written soon; no backend is without the check that it wants. */
static void look_that_it_stands(const struct conf *conf)
{
	assert_ptr_equal(model.conf, conf);
	for (size_t i = 0; i < model.pool_count; i++) {
		const struct pool *pool = model.pools[i];

		for (int turn = 0; turn < 500 && pool->dirty; turn++)
			sd_event_run(model.event, 10000);
		assert_false(pool->dirty);
		for (size_t j = 0; j < pool->count; j++) {
			const struct backend *backend = pool->backends[j];

			assert_true(backend->is_published);
			assert_false(backend->kept || backend->check.prepared);
			for (int turn = 0; turn < 500 && lacks_check(backend); turn++)
				sd_event_run(model.event, 10000);
			assert_false(lacks_check(backend));
		}
	}
}

/* After a success: it stands, and the configuration of before can be had again. */
static void go_back(void)
{
	settle(0);
	if (follow(first))
		fail_msg("%s", error.text);
	for (int i = 0; i < 1000 && model.leaving; i++) {
		end_connections();
		sd_event_run(model.event, 10000);
	}
	settle(1000);
	if (model.leaving)
		fail_msg("%s: %s, and does not leave (%s failed)", model.leaving->name,
			 state_name(model.leaving->state), failed ? failed : "nothing");
}

/* Fails at that step; false: the change has fewer. */
static bool fails_whole(const struct row *row, unsigned step, unsigned *refused, unsigned *followed)
{
	static struct lines before, after;
	struct conf *conf = conf_of(row->text);
	struct plan *plan;
	int err;

	look(&before);
	failed = NULL;
	calls = 0;
	fail_at = step;
	err = reconcile_begin(&model, conf, &plan, &error);
	if (!err)
		reconcile_commit(plan, false);
	fail_at = 0;
	*refused += err != 0;
	*followed += !err;
	if (err) {
		conf_free(conf);
		if (!becomes(&before, &after)) {
			show(&before, &after);
			fail_msg("%s: step %u, %s: not as before", row->name, step, failed);
		}
		assert_non_null(failed);
		assert_true(error.text[0]);
	} else {
		settle(0);
		look_that_it_stands(conf);
		go_back();
	}
	look_that_none_is_left();
	clear(&before);
	clear(&after);
	return err || failed;
}

static void test_each_step(void **state)
{
	unsigned refused = 0, followed = 0;

	(void)state;
	go_back();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (unsigned step = 1; fails_whole(&rows[i], step, &refused, &followed); step++)
			;
	print_message("%u refused, %u followed\n", refused, followed);
	assert_true(refused > 100);
}

/* Nor can what was added be taken back at once. */
static void test_removals_that_fail(void **state)
{
	unsigned owing = 0, told = 0;

	(void)state;
	go_back();
	for (size_t i = 1; i < 3; i++) /* those that add something */
		for (unsigned step = 1, more = 1; more; step++) {
			struct conf *conf = conf_of(rows[i].text);
			struct plan *plan;

			failed = NULL;
			calls = 0;
			fail_at = step;
			removals_fail = true;
			if (reconcile_begin(&model, conf, &plan, &error))
				conf_free(conf), told++;
			else
				reconcile_commit(plan, false);
			settle(0);
			more = failed != NULL;
			fail_at = 0;
			owing += model.is_owing;
			for (int id = 0; id < LB_MAX_BACKENDS; id++)
				assert_false(model.by_id[id] && model.remnants[id].is_there);
			/* Others come and go while that is so. */
			follow(rows[0].text);
			settle(0);
			for (int id = 0; id < LB_MAX_BACKENDS; id++)
				assert_false(model.by_id[id] && model.remnants[id].is_there);
			removals_fail = false;
			go_back();
			look_that_none_is_left();
		}
	print_message("%u refused, %u owing\n", told, owing);
	assert_true(owing > 10);
}

static struct backend *find_9002(const char *pool)
{
	struct lb_endpoint endpoint;

	assert_int_equal(addr_parse_endpoint("127.0.0.1:9002", &endpoint, &error), 0);
	return pool_find_backend(&model, pool_find(&model, pool), &endpoint);
}

static struct lb_tag tag_of_9002(void)
{
	struct lb_tag tag = {0};

	assert_int_equal(bpf_map_lookup_elem(datapath_tags_fd(model.dp), &sockets[1], &tag), 0);
	return tag;
}

/* Whatever pool has it: a connection is counted for its number and generation, which its listener has handed on. */
static void expect_same_9002(struct backend *backend, const char *pool, const struct lb_tag *before)
{
	struct lb_tag tag = tag_of_9002();
	struct lb_backend known;

	assert_ptr_equal(find_9002(pool), backend);
	assert_ptr_equal(backend->pool, pool_find(&model, pool));
	assert_int_equal(backend->goal, GOAL_RUN);
	assert_memory_equal(&tag, before, sizeof(tag));
	assert_int_equal(tag.backend, backend->id);
	assert_int_equal(tag.generation, backend->generation);
	assert_int_equal(datapath_get_backend(model.dp, backend->id, &known), 0);
	assert_int_equal(known.pool, backend->pool->id);
	assert_int_equal(known.flags, LB_BACKEND_ENABLED);
}

static void test_goes_on_in_another_pool(void **state)
{
	struct lb_load load = {.active = 2, .total = 7}, found;
	struct backend *backend;
	struct lb_tag tag;
	uint32_t id;

	(void)state;
	go_back();
	backend = find_9002("plain");
	assert_non_null(backend);
	tag = tag_of_9002();
	id = backend->id;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(model.dp->skel->maps.loads), &id, &load,
					     BPF_ANY),
			 0);
	assert_string_equal(rows[2].name, "a backend to another pool");
	assert_int_equal(follow(rows[2].text), 0);
	expect_same_9002(backend, "gone", &tag);
	/* One that leaves comes back in any pool. */
	assert_int_equal(follow("pool gone { backend 127.0.0.1:9003; }"), 0);
	assert_ptr_equal(model.leaving, backend);
	assert_int_equal(follow(first), 0);
	assert_null(model.leaving);
	expect_same_9002(backend, "plain", &tag);
	datapath_read_load(model.dp, backend->id, &found);
	assert_memory_equal(&found, &load, sizeof(load));
	assert_int_equal(datapath_clear_load(model.dp, backend->id), 0);
}

/* --- a client finds somebody, at each moment */

#define ROLLED_ALONE                                                                               \
	"pool rolled { worker { command \"sleep 1000\"; ports 9303; listen inherit;"               \
	" stop_signal KILL; } }"                                                                   \
	"service r { listen 127.0.0.1:86; pool rolled; }"
#define ROLLED                                                                                     \
	"pool rolled { worker { command \"sleep 1000\"; ports 9301-9302; listen inherit;"          \
	" stop_signal KILL; } }"                                                                   \
	"service r { listen 127.0.0.1:86; pool rolled; }"
/* None of them ever listens. */
#define LISTENS_LATE(name, ports)                                                                  \
	"pool " name " { worker { command \"sleep 1000\"; ports " ports "; stop_signal KILL; } }"  \
	"service a { listen 127.0.0.1:80; pool " name "; }"
#define PLAIN "service a { listen 127.0.0.1:80; pool plain; }"

static const struct change {
	const char *name, *from, *to;
	bool waits; /* for somebody who is on the way */
} changes[] = {
	{"a backend by another", PLAIN "pool plain { backend 127.0.0.1:9001; }",
	 PLAIN "pool plain { backend 127.0.0.1:9004; }", false},
	{"all by others", PLAIN "pool plain { backend 127.0.0.1:9001; backend 127.0.0.1:9002; }",
	 PLAIN "pool plain { scheduler maglev; backend 127.0.0.1:9004; backend 127.0.0.1:9005; }",
	 false},
	{"another pool", PLAIN "pool plain { backend 127.0.0.1:9001; }",
	 "pool new { backend 127.0.0.1:9004; } service a { listen 127.0.0.1:80; pool new; }",
	 false},
	{"another name", PLAIN "pool plain { backend 127.0.0.1:9001; }",
	 "pool new { backend 127.0.0.1:9001; } service a { listen 127.0.0.1:80; pool new; }",
	 false},
	{"a pool of both kinds goes",
	 PLAIN "pool plain { backend 127.0.0.1:9001; }"
	       "pool both { backend 127.0.0.1:9002; worker { command \"sleep 1000\"; ports 9101;"
	       " stop_signal KILL; } }",
	 PLAIN "pool plain { backend 127.0.0.1:9001; }", false},
	{"drained the other way round",
	 PLAIN "pool plain { backend 127.0.0.1:9001; backend 127.0.0.1:9002 drain; }",
	 PLAIN "pool plain { backend 127.0.0.1:9001 drain; backend 127.0.0.1:9002; }", false},
	{"a pool of workers", PLAIN "pool plain { backend 127.0.0.1:9001; }",
	 LISTENS_LATE("late", "9401"), true},
	{"all ports of a pool", LISTENS_LATE("late", "9401-9402"),
	 LISTENS_LATE("late", "9403-9404"), true},
	{"a pool of the same ports", LISTENS_LATE("late", "9401"), LISTENS_LATE("later", "9401"),
	 true},
	{"a backend that is checked",
	 PLAIN "pool plain { backend 127.0.0.1:9001; health { tcp; interval 1h; rise 50; } }",
	 PLAIN "pool plain { backend 127.0.0.1:9004; health { tcp; interval 1h; rise 50; } }",
	 true},
};

static void go_to(const char *text)
{
	if (follow(text))
		fail_msg("%s", error.text);
	settle(0);
}

static void await_state(const struct backend *backend, enum state state)
{
	for (int turn = 0; turn < 500 && backend->state != state; turn++)
		settle(10000);
	assert_string_equal(state_name(backend->state), state_name(state));
}

static void expect_somebody(const char *what)
{
	watched = NULL;
	print_message("%s: %u looks\n", what, looks);
	assert_true(looks > 0);
	if (nobody)
		fail_msg("%s: nobody served at %u of %u looks", what, nobody, looks);
}

static void watch(const char *address)
{
	looks = nobody = 0;
	assert_true(any_serves(address) || (may_wait && defers(address)));
	watched = address;
}

static void test_changes_leave_no_gap(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		const struct change *change = &changes[i];

		go_to(change->from);
		may_wait = change->waits;
		watch("127.0.0.1:80");
		go_to(change->to);
		go_to(change->from);
		expect_somebody(change->name);
		go_to("");
	}
	may_wait = false;
}

/* Where a listener is not all that makes a worker ready, the kernel side is told of each one that gets up. */
static void test_roll_leaves_no_gap(void **state)
{
	struct pool *pool;

	(void)state;
	go_to(ROLLED);
	pool = pool_find(&model, "rolled");
	await_state(pool->backends[1], STATE_UP);
	settle(0);
	watch("127.0.0.1:86");
	for (int round = 0; round < 3; round++) {
		assert_int_equal(roll_start(pool, false, NULL), 0);
		for (int turn = 0; turn < 5000 && turn_is_rolling(pool); turn++)
			sd_event_run(model.event, 10000);
		assert_false(turn_is_rolling(pool));
		assert_string_equal(roll_error(pool), "");
	}
	expect_somebody("roll");
}

/* One alone is out of service meanwhile, and its clients wait. */
static void test_one_alone_is_waited_for(void **state)
{
	struct pool *pool;

	(void)state;
	go_to(ROLLED_ALONE);
	pool = pool_find(&model, "rolled");
	await_state(pool->backends[0], STATE_UP);
	assert_false(defers("127.0.0.1:86"));
	may_wait = true;
	watch("127.0.0.1:86");
	assert_int_equal(roll_start(pool, false, NULL), 0);
	for (int turn = 0; turn < 5000 && turn_is_rolling(pool); turn++)
		sd_event_run(model.event, 10000);
	assert_string_equal(roll_error(pool), "");
	expect_somebody("roll of one");
	settle(0);
	assert_false(defers("127.0.0.1:86"));
	may_wait = false;
}

/* --- who is waited for */

static void start(struct backend *backend)
{
	backend_process_start_by_hand(backend);
}

static void stop(struct backend *backend)
{
	backend_process_stop(backend, GOAL_STOP);
}

static void restart_what_stops(struct backend *backend)
{
	backend_process_stop(backend, GOAL_STOP);
	backend_process_start_by_hand(backend);
}

static void stop_what_restarts(struct backend *backend)
{
	backend_drain(backend, 0, GOAL_RESTART);
	backend_drain(backend, 0, GOAL_STOP);
}

static void drain(struct backend *backend)
{
	backend_drain(backend, 0, GOAL_DRAIN);
}

static void drain_and_undrain(struct backend *backend)
{
	backend_drain(backend, 0, GOAL_DRAIN);
	backend_undrain(backend);
}

static void restart_what_is_kept_out(struct backend *backend)
{
	backend_keep_out(backend, 0);
	backend_drain(backend, 60 * 1000 * 1000, GOAL_RESTART);
}

static void keep_out_and_put_back(struct backend *backend)
{
	backend_keep_out(backend, 0);
	backend_put_back(backend);
}

static void restart(struct backend *backend)
{
	backend_drain(backend, 60 * 1000 * 1000, GOAL_RESTART);
}

static void die(struct backend *backend)
{
	worker_kill(backend->worker);
}

static void nothing(struct backend *backend)
{
	(void)backend;
}

#define NEVER_LISTENS(settings)                                                                    \
	"pool p { worker { command \"sleep 1000\"; ports 9401; stop_signal KILL; backoff 1h "      \
	"1h; " settings " } } service p { listen 127.0.0.1:87; pool p; }"
#define CHECKED(port, settings, check)                                                             \
	"pool p { backend 127.0.0.1:" port "; health { " check " interval 1h; " settings " } }"    \
	"service p { listen 127.0.0.1:87; pool p; }"

static const struct waited {
	const char *name, *conf;
	void (*act)(struct backend *backend);
	enum state state;
	bool waits;
} waited[] = {
	{"starting", NEVER_LISTENS(""), nothing, STATE_STARTING, true},
	{"not started", NEVER_LISTENS("autostart off;"), nothing, STATE_STOPPED, false},
	{"started by hand", NEVER_LISTENS("autostart off;"), start, STATE_STARTING, true},
	{"stopped", NEVER_LISTENS(""), stop, STATE_STOPPED, false},
	{"stopped and started", NEVER_LISTENS(""), restart_what_stops, STATE_STARTING, true},
	{"restarted and stopped", NEVER_LISTENS(""), stop_what_restarts, STATE_STOPPED, false},
	{"drained", NEVER_LISTENS(""), drain, STATE_DRAINED, false},
	{"drained and put back", NEVER_LISTENS(""), drain_and_undrain, STATE_DOWN, true},
	{"restarted and kept out", NEVER_LISTENS(""), restart_what_is_kept_out, STATE_DRAINED,
	 false},
	{"kept out and put back", NEVER_LISTENS(""), keep_out_and_put_back, STATE_DOWN, true},
	{"to be restarted", NEVER_LISTENS(""), restart, STATE_STARTING, true},
	{"failed", NEVER_LISTENS(""), die, STATE_BACKOFF, false},
	{"failed for good", NEVER_LISTENS("start_retries 0;"), die, STATE_FATAL, false},
	{"too late", NEVER_LISTENS("start_timeout 50ms;"), nothing, STATE_BACKOFF, false},
	{"first check", CHECKED("9001", "rise 100;", "tcp;"), nothing, STATE_DOWN, true},
	{"checked", CHECKED("9001", "", "tcp;"), nothing, STATE_UP, false},
	{"no listener", CHECKED("9009", "", "tcp;"), nothing, STATE_DOWN, false},
	{"check fails", CHECKED("9001", "fall 3;", "exec \"false\";"), nothing, STATE_DOWN, false},
	{"not checked",
	 "pool p { backend 127.0.0.1:9009; }"
	 "service p { listen 127.0.0.1:87; pool p; }",
	 nothing, STATE_DOWN, false},
};

static void test_who_is_waited_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(waited) / sizeof(*waited); i++) {
		const struct waited *row = &waited[i];
		struct backend *backend;

		go_to(row->conf);
		backend = pool_find(&model, "p")->backends[0];
		row->act(backend);
		await_state(backend, row->state);
		for (int turn = 0; turn < 500 && defers("127.0.0.1:87") != row->waits; turn++)
			settle(10000);
		if (defers("127.0.0.1:87") != row->waits)
			fail_msg("%s: clients %s", row->name, row->waits ? "are refused" : "wait");
		go_to("");
		while (model.leaving)
			settle(10000);
	}
}

/*
 * The processes of this test are all that its /proc shows: a look goes through each of them, and the steps of a
 * change are counted by what it calls.  Returns in the child; the parent ends as the child did.
 */
static void own_processes(void)
{
	int status = 0;
	pid_t child;

	assert_int_equal(unshare(CLONE_NEWPID), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		assert_int_equal(mount("proc", "/proc", "proc", 0, NULL), 0);
		return;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_changes_leave_no_gap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_roll_leaves_no_gap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_alone_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_step, setup, teardown),
		cmocka_unit_test_setup_teardown(test_goes_on_in_another_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removals_that_fail, setup, teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (!own_netns_enter()) {
		puts("needs root and BPF: skipped");
		return 0;
	}
	own_processes();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
