/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of datapath share; nobody else includes it. */
#ifndef LB_DATAPATH_INTERNAL_H
#define LB_DATAPATH_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>

#include "datapath/datapath.h"
#include "datapath/pins/pins.h"
#include "lb.skel.h"

/* An attached interface. */
struct attached {
	struct attached *next;
	char interface[IFNAMSIZ];
	int ifindex;
	enum datapath_mode mode;
	int link;
};

/* Listens of one port, by what LB_PORT_* says of their address. */
struct port_count {
	uint16_t address, any_v4, any_v6;
};

/* A pool's ring as the kernel side reads it. */
struct ring_memory {
	uint16_t *entries; /* NULL: not known here, as after adoption */
	uint32_t room;
};

struct datapath {
	struct lb *skel;
	char instance[64];
	bool adopted, served_on;
	bool trial;              /* loads the programs, pins nothing */
	int steer, track, guard; /* links; -1: none */
	struct ring_buffer *events;
	void (*event)(void *arg, const struct lb_event *event); /* while events are being read */
	void *event_arg;
	struct attached *attached;
	uint32_t ring_flags; /* of the maps in `rings` */
	struct ring_memory rings[LB_MAX_SERVICES];
	struct port_count *port_counts; /* of each port, host order */
	bool ports_changed;             /* what the kernel side has of them is from before */
	int sinks[2];                   /* listeners that drop all; -1: none */
};

/* datapath/link.c: attaches a program and pins the link, links/NAME; its descriptor, or -errno. */
int link_make(const struct datapath *dp, const char *name, const struct bpf_program *program,
	      int target, enum bpf_attach_type type);
/* The pinned link with the new program; -ENOENT: there is none, or its target is gone. */
int link_adopt(const struct datapath *dp, const char *name, const struct bpf_program *program);

/* datapath/programs.c: what they cannot be loaded without; then they are, with the maps at their pins. */
int programs_check_btf(struct error *error);
int programs_load(struct datapath *dp, struct error *error);

/* datapath/guard.c: before the programs are loaded: which devices it refuses on this host. */
void guard_prepare(struct datapath *dp);

/* From every group that it is on. */
void guard_detach_all(struct datapath *dp);

/* datapath/seed.c: draws one where none is, before anything is attached. */
int seed_open(struct datapath *dp);

/* datapath/maps.c */
int maps_open(struct datapath *dp);
int maps_forget_services(
	struct datapath *dp); /* before that: they were those of a namespace that is gone */
void maps_close(struct datapath *dp);

/* datapath/ring.c */
void rings_prepare(struct datapath *dp); /* before the maps are created */
void rings_close(struct datapath *dp);

/* datapath/xdp.c: takes the pinned links over and gives them the new program. */
int xdp_adopt(struct datapath *dp, struct error *error);
void xdp_close(struct datapath *dp);
void xdp_detach_all(struct datapath *dp);

/* datapath/sink.c: fills the slots of the listeners that drop. */
int sinks_open(struct datapath *dp); /* into the slots; replaces those of an earlier lbd */
void sinks_close(struct datapath *dp);

/* datapath/libbpf.c: libbpf's messages, kept to be told as one line. */
void libbpf_capture(void);
/* The first of what libbpf said since libbpf_capture(), and the verifier's last word; or "". */
const char *libbpf_captured(void);

#endif
