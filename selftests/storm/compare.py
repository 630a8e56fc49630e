# SPDX-License-Identifier: Apache-2.0
"""
The model, as `lbctl -j` tells it, beside the world.  differences() names all that does not agree,
one line each.  Each look is of a moment: what changes while it is taken is looked at again.
"""

import collections

from maps import ENABLED

HAVE_PROCESS = {"starting", "up", "down", "draining", "drained", "stopping"}
WITHOUT_PORT = {"backoff", "starting", "down"}
NEVER_CHOSEN = {"stopped", "draining", "drained", "stopping", "exited", "fatal"}

Backend = collections.namedtuple("Backend", "pool address port state worker listeners")


class Model:
    def __init__(self, lbd):
        status = lbd.json("status")
        self.pid = status["pid"]
        self.interfaces = {i["interface"] for i in status["interfaces"]}
        self.workers, self.notes = {}, {}
        self.twice = []
        for worker in lbd.json("worker"):
            if worker["name"] in self.workers:
                self.twice.append(worker["name"])
            self.workers[worker["name"]] = (worker["state"], worker.get("pid", 0))
            self.notes[worker["name"]] = worker.get("note", "")
        self.backends = [
            Backend(
                pool["pool"],
                b["address"],
                int(b["address"].rpartition(":")[2]),
                b["state"],
                b.get("worker"),
                tuple(b["listeners"]),
            )
            for pool in lbd.json("pool")
            for b in pool["backends"]
        ]
        self.services = {l: s["pool"] for s in lbd.json("service") for l in s["listens"]}

    def __eq__(self, other):
        return self.__dict__ == other.__dict__

    def moved(self, other):
        """What differs from another moment, for a person."""
        for key, value in self.__dict__.items():
            if value != other.__dict__[key]:
                yield "%s: %s, then %s" % (key, value, other.__dict__[key])

    def ports(self):
        """Where clients and checks connect to."""
        named = {int(name.rpartition(":")[2]) for name in self.workers}
        return named | {int(listen.rpartition(":")[2]) for listen in self.services}


def processes(model, world):
    there = world.workers()
    for name in model.twice:
        yield "%s: twice in lbd's list" % name
    for name, (state, pid) in model.workers.items():
        if (pid != 0) != (state in HAVE_PROCESS):
            yield "%s: %s, with pid %d" % (name, state, pid)
        if there.get(name, set()) - {pid}:
            yield "%s: pid %d, but there run %s" % (name, pid, sorted(there[name]))
        if pid and pid not in there.get(name, ()):
            yield "%s: pid %d runs no more, or is another's" % (name, pid)
    for name in there.keys() - model.workers.keys():
        yield "%s: runs as %s and lbd knows nothing of it" % (name, sorted(there[name]))


def control_groups(model, world):
    for name, pids in world.cgroups.items():
        state, pid = model.workers.get(name, ("unknown", 0))
        if pid and pid not in pids:
            yield "cgroup %s: has %s, not pid %d" % (name, sorted(pids), pid)
        if not pid:
            yield "cgroup %s: is there with %s, the worker is %s" % (name, sorted(pids), state)
    for name, (_, pid) in model.workers.items():
        if pid and name not in world.cgroups:
            yield "cgroup %s: is not there, the worker runs" % name


OF_WORKERS = {"workers", "notify", "output"}
NOT_OF_WORKERS = {"control", "lock", "running.conf", "states"}
SUFFIXES = (".to", ".out", ".err")


def run_directory(model, world):
    for path in world.run - NOT_OF_WORKERS:
        directory, _, name = path.partition("/")
        for suffix in SUFFIXES if directory == "output" else ():
            name = name.removesuffix(suffix)
        if directory not in OF_WORKERS:
            yield "run directory: what is %s" % path
        elif not model.workers.get(name, (0, 0))[1]:
            yield "run directory: %s of a worker without process" % path
    for name, (_, pid) in model.workers.items():
        if pid and "workers/" + name not in world.run:
            yield "run directory: no record of %s" % name
    if not {"control", "lock"} <= world.run:
        yield "run directory: no socket or lock: %s" % sorted(world.run)


def keepers(model, world):
    """Of workers' output after lbd's death: one, this lbd's own."""
    of = [p.words[2] for p in world.processes.values() if p.words[1:2] == ["--keep-output"]]
    if of != [str(model.pid)]:
        yield "keepers of output: of lbd %s, lbd is %d" % (of, model.pid)


def pins(model, world):
    """Programs are attached where lbd says; no map comes or goes in an instance's life."""
    links = {p.removeprefix("links/") for p in world.pins if p.startswith("links/")}
    wanted = {"steer", "track"} | world.guards | {"ingress_" + name for name in model.interfaces}
    if links != wanted:
        yield "pins: links %s, not %s" % (sorted(links), sorted(wanted))
    maps = {p for p in world.pins if p.startswith("maps/")}
    if world.pins - maps - {"links/" + name for name in links}:
        yield "pins: what are %s" % sorted(world.pins - maps)
    if maps != world.expected.maps:
        yield "pins: %s came or went" % sorted(maps ^ world.expected.maps)


def thieves(model, world):
    """A worker that waits for its port says who has it."""
    for backend in model.backends:
        if not backend.worker or backend.state not in WITHOUT_PORT:
            continue
        for sock in world.listening(backend.port):
            for pid in sock.pids & world.thieves():
                if "pid %d" % pid not in model.notes[backend.worker]:
                    yield "%s: %s, and does not name the thief, pid %d: %s" % (
                        backend.worker,
                        backend.state,
                        pid,
                        model.notes[backend.worker],
                    )


def listeners(model, world):
    for backend in model.backends:
        index = world.maps.backend_ids.get(backend.address)
        if index is None:
            yield "backend_ids: no %s" % backend.address
            continue
        cookie = world.maps.cookies.get(2 * index, 0)
        mine = [s for s in world.listening(backend.port) if s.cookie == cookie]
        if ("v4" in backend.listeners) != bool(mine):
            yield "%s: listeners %s, map has socket %x, which listens there: %s" % (
                backend.address,
                backend.listeners,
                cookie,
                bool(mine),
            )
        # One that was shut down stays in the map, and the kernel side passes over it.
        if cookie and not mine and any(s.cookie == cookie for s in world.sockets):
            yield "%s: map has socket %x, which is elsewhere" % (backend.address, cookie)
        if backend.state == "up" and not mine:
            yield "%s: up without a listener" % backend.address
        if mine and backend.worker:
            yield from whose(backend, mine[0], model.workers[backend.worker][1], world)


def whose(backend, sock, pid, world):
    """A supervised backend's listener belongs to its worker, or lbd holds it for it."""
    for holder in sock.pids:
        words = world.processes[holder].words if holder in world.processes else [backend.worker]
        if holder != pid and backend.worker not in words and "lbd" not in words[0]:
            yield "%s: the listener is that of pid %d %s" % (backend.address, holder, words)


def maps(model, world):
    m = world.maps
    members = {i for pool in m.pools.values() for i in pool.members}
    known = set()
    for backend in model.backends:
        index = m.backend_ids.get(backend.address)
        known.add(index)
        enabled = index in m.backends and bool(m.backends[index].flags & ENABLED)
        if enabled != (index in members):
            yield "%s: enabled %s, member of a pool %s" % (backend.address, enabled, not enabled)
        if backend.state == "up" and not enabled:
            yield "%s: up and not enabled" % backend.address
        if backend.state in NEVER_CHOSEN and enabled:
            yield "%s: %s and enabled" % (backend.address, backend.state)
    for index in members - known:
        yield "pools: member %d is no backend" % index
    for index in {i for i, b in m.backends.items() if b.flags & ENABLED} - known:
        yield "backends: %d is enabled and no backend" % index
    yield from service_maps(model, m)


def service_maps(model, m):
    if set(m.services) != set(model.services):
        yield "services: map %s, lbd %s" % (sorted(m.services), sorted(model.services))
    if set(m.ports) != {int(s.rpartition(":")[2]) for s in m.services}:
        yield "service_ports: %s beside services %s" % (sorted(m.ports), sorted(m.services))
    for index in m.acl - {s.id for s in m.services.values() if s.flags & 1}:
        yield "acl: rules of service %d, which asks for none" % index


def connections(model, world):
    """Exact: what the kernel side counts is what is open."""
    counted = sum(load.active for load in world.maps.loads.values())
    there = world.open_connections(model.ports())
    if counted != len(there):
        yield "loads: %d open connections, there are %d: %s" % (counted, len(there), there)


KINDS = (
    processes,
    control_groups,
    run_directory,
    keepers,
    pins,
    listeners,
    thieves,
    maps,
    connections,
)


def differences(model, world):
    return [line for kind in KINDS for line in kind(model, world)]


def without_lbd(left, services, world):
    """While lbd is dead or stands still: what it left may have died, nothing else has changed."""
    for name, pids in world.workers().items():
        if len(pids) > 1:
            yield "%s: runs twice, %s" % (name, sorted(pids))
        if pids - left.get(name, set()):
            yield "%s: lbd left %s, there run %s" % (name, left.get(name), pids)
    for listen, pool in services.items():
        if listen not in world.maps.services:
            yield "services: %s of pool %s went with lbd" % (listen, pool)
