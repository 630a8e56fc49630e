/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side, as lbd holds it: loaded programs, pinned maps, links.  Each write is one map
 * operation; the order of writes is apply.c's business and what to write is pool.c's.
 *
 * Pins live in /sys/fs/bpf/lbd/INSTANCE/{maps,links}; they outlast lbd.  Opening adopts them: maps are
 * kept, programs are swapped in place (bpf_link update), so that traffic never stops.
 *
 * All functions return 0 or -errno.
 */
#ifndef LB_DATAPATH_H
#define LB_DATAPATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "lb/abi.h"

struct datapath;

/*
 * Mounts bpffs if nothing is mounted there, loads the programs, adopts or makes pins, attaches steer
 * to the current network namespace and track to the cgroup v2 root.  Where cgroup v2 is absent it goes
 * on without track and datapath_tracks() says so.  Errors have a line that says what to do: not root,
 * no BTF, pins of another ABI version, ...
 */
int datapath_open(const char *instance, struct datapath **out, struct error *error);

/* Whether that would do, as far as can be seen without attaching or pinning anything. */
int datapath_try(const char *instance, struct error *error);

void datapath_close(struct datapath *dp); /* leaves pins and links: traffic goes on; takes NULL */

/* Detaches, unpins, closes; takes NULL.  -errno: pins are left, which the next datapath_open() removes. */
int datapath_destroy(struct datapath *dp);

const char *datapath_instance(const struct datapath *dp);
bool datapath_adopted(const struct datapath *dp); /* pins of an earlier lbd were found */
/*
 * The same, and steer was attached all the time: what an earlier lbd served has been served on.  Else it is
 * forgotten.
 */
bool datapath_served_on(const struct datapath *dp);
bool datapath_tracks(const struct datapath *dp);   /* listeners are captured at listen(2) */
int datapath_events_fd(const struct datapath *dp); /* ring buffer of struct lb_event, to poll */
int datapath_read_events(struct datapath *dp, void (*event)(void *arg, const struct lb_event *),
			 void *arg);

/*
 * Refuses /dev/fuse to all that is in this control group (a directory of cgroup v2) and below, but for workers
 * with LB_WORKER_FUSE; until datapath_destroy(), or the group is removed.  Groups of earlier lbds that
 * were started elsewhere keep it.  Once, with a line that says what is lost where it cannot be done.
 */
int datapath_guard(struct datapath *dp, const char *cgroup, struct error *error);

/* Services: value NULL removes; what is there is not written again. */
int datapath_set_service(struct datapath *dp, const struct lb_endpoint *key,
			 const struct lb_service *value);
int datapath_get_service(struct datapath *dp, const struct lb_endpoint *key,
			 struct lb_service *value);
int datapath_each_service(struct datapath *dp,
			  void (*each)(void *arg, const struct lb_endpoint *,
				       const struct lb_service *),
			  void *arg);
int datapath_set_acl(struct datapath *dp, const struct lb_acl_key *key,
		     int verdict); /* <0 removes */
int datapath_each_acl(struct datapath *dp,
		      void (*each)(void *arg, const struct lb_acl_key *, int verdict), void *arg);
/*
 * What flows are hashed with: 16 bytes, or NULL for a random seed, drawn anew only if it was configured.
 * When it changes, flows are hashed elsewhere at once: source_hash and maglev choose others.
 */
int datapath_set_seed(struct datapath *dp, const uint8_t *bytes);

/* What is the host's own: see LB_MAX_LOCALS. */
int datapath_set_local(struct datapath *dp, const struct lb_local_key *key, bool is_there);
int datapath_set_locals_at_hand(struct datapath *dp, const struct lb_locals_at_hand *value);
int datapath_each_local(struct datapath *dp, void (*each)(void *arg, const struct lb_local_key *),
			void *arg);

int datapath_set_pool(struct datapath *dp, uint16_t pool, const struct lb_pool *value);
/*
 * The ring's first count entries, written one by one; count 0 removes it.  One that outgrows its room, as
 * a pool's first one does, is built aside and swapped in, which takes an RCU grace period.
 * -E2BIG: no such pool, or more than LB_RING_MAX.
 */
int datapath_set_ring(struct datapath *dp, uint16_t pool, const uint16_t *entries, uint32_t count);

/* Room for so many entries, so that writing them cannot fail; those that are there stay. */
int datapath_grow_ring(struct datapath *dp, uint16_t pool, uint32_t count);

int datapath_set_backend(struct datapath *dp, uint16_t id, const struct lb_backend *value);
int datapath_get_backend(struct datapath *dp, uint16_t id, struct lb_backend *value);
int datapath_clear_load(struct datapath *dp, uint16_t id);
int datapath_clear_service_count(struct datapath *dp, uint16_t id);
/* What a listener's address stands for, and who may listen there; value NULL removes. */
int datapath_set_backend_id(struct datapath *dp, const struct lb_endpoint *key,
			    const struct lb_backend_id *value);
int datapath_get_backend_id(struct datapath *dp, const struct lb_endpoint *key,
			    struct lb_backend_id *value);
int datapath_each_backend_id(struct datapath *dp,
			     void (*each)(void *arg, const struct lb_endpoint *,
					  const struct lb_backend_id *),
			     void *arg);
/* Whose the sockets are that are made in this control group, and what it may open; value NULL removes. */
int datapath_set_worker(struct datapath *dp, uint64_t group, const struct lb_worker *value);
int datapath_each_worker(struct datapath *dp,
			 void (*each)(void *arg, uint64_t group, const struct lb_worker *),
			 void *arg);

/* Puts a listening socket of ours where steer finds it; tags it. */
int datapath_set_listener(struct datapath *dp, uint16_t id, uint32_t generation, bool is_v6,
			  int fd);

/* Whose socket, and where to put it. */
struct datapath_capture {
	pid_t thread; /* that has it, */
	int fd;       /* by this number, or a lower one */
	uint32_t inode;
	uint16_t backend;
	uint32_t generation;
	bool is_v6;
};

/*
 * The same with a socket of another process, which may hold up whoever takes a descriptor from it.  -ESRCH: it has no
 * such socket (any more); -EPROTONOSUPPORT: by MPTCP; -EOPNOTSUPP: it does not listen; -ENOMEM.
 */
int datapath_capture(struct datapath *dp, const struct datapath_capture *capture);

int datapath_remove_listener(struct datapath *dp, uint16_t id, bool is_v6);
/* Cookie of the socket that is there; -ENOENT when none is. */
int datapath_get_listener(struct datapath *dp, uint16_t id, bool is_v6, uint64_t *cookie);

/* Counters, summed over CPUs.  loads has LB_MAX_BACKENDS, counts LB_MAX_SERVICES elements. */
int datapath_read_load(struct datapath *dp, uint16_t id, struct lb_load *load);
int datapath_read_loads(struct datapath *dp, struct lb_load *loads);
int datapath_read_reasons(struct datapath *dp, uint64_t reasons[LB_REASON_COUNT]);
int datapath_read_service_counts(struct datapath *dp, struct lb_service_count *counts);
int datapath_tags_fd(const struct datapath *dp); /* socket storage map, for sockets.h */

enum datapath_mode { DATAPATH_NATIVE, DATAPATH_GENERIC };

/*
 * Attaches ingress to an interface and pins the link by the interface's name; an already pinned link
 * of the same interface is adopted and updated.  -EBUSY: a program of somebody else's is there, named
 * in the line, with what to do.  -EOPNOTSUPP: the driver has no native XDP.
 */
int datapath_attach(struct datapath *dp, const char *interface, int ifindex,
		    enum datapath_mode mode, struct error *error);
int datapath_detach(struct datapath *dp, const char *interface); /* also of a vanished interface */
int datapath_each_attached(struct datapath *dp,
			   void (*each)(void *arg, const char *interface, int ifindex,
					enum datapath_mode mode),
			   void *arg);

#endif
