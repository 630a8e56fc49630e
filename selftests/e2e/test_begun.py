# SPDX-License-Identifier: Apache-2.0
"""
lbd killed at each of the files that a verb publishes, in turn, until the verb ends whole: the next lbd has the
change or has not, whole; has it if lbctl was told so; and goes on with what was under way.
"""

import itertools
import pathlib

import pytest

from lab import PYTHON, SMALL, Refused, kill_and_wait, wait_until
from processes import Trace

pytestmark = pytest.mark.usefixtures("under_strace")

MAIN = """
attach eth0;
pool web {
    drain_timeout 1h;
    worker { command "%s %s --port=$port --version=%d"; ports %s; }
}
service web { listen 0.0.0.0:80; pool web; }
include more/*.conf;
"""
MORE = """
pool plain { backend 127.0.0.1:9001; backend 127.0.0.1:9002; }
service plain { listen 0.0.0.0:81; pool plain; }
"""
SETTLED_WORKER = {"up", "drained", "stopped"}
SETTLED = SETTLED_WORKER | {"down"}


def main(version=1, ports="8081-8082"):
    return MAIN % (PYTHON, SMALL, version, ports)


class World:
    """One instance through its deaths."""

    def __init__(self, lab):
        self.lab = lab
        self.more = lab.path / "more"
        self.more.mkdir()
        (self.more / "more.conf").write_text(MORE)
        self.lbd = lab.lbd(main())
        self.was = {}
        self.wait_settled()

    def version(self, pid):
        words = pathlib.Path("/proc/%d/cmdline" % pid).read_text().split("\0") if pid else []
        return next((word for word in words if word.startswith("--version")), None)

    def look(self):
        """What a verb may change, and of each worker whether it is the process that it was; None: not settled."""
        pools, workers = self.lbd.json("pool"), self.lbd.json("worker")
        states = {b["address"]: b["state"] for p in pools for b in p["backends"]}
        busy = [w for w in workers if "roll" in w or w["state"] not in SETTLED_WORKER]
        if busy or not set(states.values()) <= SETTLED:
            return None
        return {
            "pools": {p["pool"]: sorted(b["address"] for b in p["backends"]) for p in pools},
            "states": states,
            "services": {s["service"]: s["listens"] for s in self.lbd.json("service")},
            "attached": [i["interface"] for i in self.lbd.json("status")["interfaces"]],
            "workers": {
                w["name"]: (
                    w.get("settings"),
                    self.version(w.get("pid")),
                    w.get("pid") == self.was.get(w["name"]),
                )
                for w in workers
            },
        }

    def wait_settled(self):
        found = []
        wait_until(lambda: found.append(self.look()) or found[-1], lambda: self.lbd.json("worker"))
        return found[-1]

    def is_at(self, world):
        """False as well where lbd is killed while it is asked."""
        try:
            return self.look() == world
        except Refused:
            return False

    def wait_for(self, *worlds, what):
        wait_until(
            lambda: self.look() in worlds,
            lambda: "%s\nis: %s\nwanted: %s\n%s"
            % (what, self.look(), worlds, self.lbd.output()[-2000:]),
        )

    def begin(self):
        """As it is before the verb under test."""
        self.wait_settled()
        self.was = self.lbd.pids()
        return self.look()


def ctl(*words):
    return lambda world: world.lbd.ctl(*words, check=False).returncode == 0


def reload(*words):
    def verb(world):
        world.lbd.config(main(*words))
        return world.lbd.ctl("reload", check=False).returncode == 0

    return verb


PLAIN = "127.0.0.1:9001"
# name: verbs, of which the last leads back to where the first begins
ROWS = {
    "reload that rolls": [reload(2), reload(1)],
    "reload of other workers": [reload(1, "8082-8083"), reload(1)],
    "restart": [ctl("worker", "restart", "web:8081")],
    "drain": [ctl("pool", verb, "127.0.0.1:8081") for verb in ("drain", "undrain")],
    "drain of one that is not lbd's": [ctl("pool", verb, PLAIN) for verb in ("drain", "undrain")],
    "stop": [ctl("worker", verb, "web:8081") for verb in ("stop", "start")],
    "pool": [ctl("pool", verb, "plain", "127.0.0.1:9003") for verb in ("add", "remove")],
    "service": [
        ctl("service", "add", "x", "tcp", "0.0.0.0:82", "pool", "web"),
        ctl("service", "remove", "x"),
    ],
    "attach": [ctl("attach", "lo"), ctl("detach", "lo")],
}
# Those of many steps, which are alike in both verbs: one of them at each, in turn.
IN_TURN = ("reload that rolls", "reload of other workers")


def kill_at(world, n, verb):
    """Whether lbctl was told that it is done."""
    inject = ("-e", "inject=renameat:signal=KILL:when=%d" % n)
    log = world.lab.file("strace.log")
    tracer = world.lab.keep(Trace(world.lbd.pid, "renameat", log, inject))
    return verb(world), tracer


def step(world, n, verb, after, what):
    """The verb, with lbd killed at its n-th file; whether it has come to that."""
    before = world.begin()
    assert before != after, what
    was_told, tracer = kill_at(world, n, verb)
    wait_until(lambda: not world.lbd.alive() or world.is_at(after), what)
    was_killed = not world.lbd.alive()
    if was_killed:
        world.lbd = world.lbd.restart_as_is()
    else:
        tracer.stop()
    is_due = was_told or not was_killed or "reload" in what
    world.wait_for(*[after] if is_due else [before, after], what=what)
    if world.look() == before:
        assert verb(world), what
        world.wait_for(after, what=what)
    return was_killed


@pytest.mark.parametrize("name", ROWS)
def test_killed_at_each_file(lab, name):
    world = World(lab)
    verbs, afters = ROWS[name], []
    for verb in verbs:
        world.begin()
        assert verb(world)
        afters.append(world.wait_settled())
    both, all_n = list(zip(verbs, afters)), itertools.count(1)
    if name in IN_TURN:
        rounds = ([pair] for pair in itertools.cycle(both))
    else:
        rounds = itertools.repeat(both)
    for n, pairs in zip(all_n, rounds):
        killed = [step(world, n, *pair, "%s, %d" % (name, n)) for pair in pairs]
        assert n > 1 or all(killed), "nothing is published"
        if not any(killed):
            break


def records(lbd):
    """The two that a reload publishes, in this order."""
    return [pathlib.Path("/run/lbd", lbd.instance, n).read_text() for n in ("running.conf", "states")]


def killed_between(world, verb):
    """What is in force is published, and what is under way is not."""
    before = records(world.lbd)
    was_told, _ = kill_at(world, 2, verb)
    world.lbd.wait()
    running, states = records(world.lbd)
    assert not was_told and running != before[0] and states == before[1]


def test_killed_at_the_next_start_too(lab):
    """What the reload has begun is known until a later lbd has put it down; at each file of its start."""
    world = World(lab)
    for n, version in zip(itertools.count(1), itertools.cycle((2, 1))):
        was = set(world.begin() and world.lbd.pids().values())
        killed_between(world, reload(version))
        states = records(world.lbd)[1]
        inject = ["-e", "trace=renameat", "-e", "inject=renameat:signal=KILL:when=%d" % n]
        strace = ["strace", "-qq", "-o", "/dev/null", *inject]
        world.lbd = world.lbd.restart_as_is(wrap=strace, ready=False)
        world.lbd.wait()
        is_put_down = records(world.lbd)[1] != states
        world.lbd = world.lbd.restart_as_is()
        wait_until(
            lambda: world.look() and not was & set(world.lbd.pids().values()),
            lambda: "%d\n%s" % (n, world.lbd.output()),
        )
        workers = world.look()["workers"].values()
        assert {w[1] for w in workers} == {"--version=%d" % version}, (n, workers)
        if is_put_down:
            break


def test_roll_that_was_ended_stays_so(lab):
    """Also where the last change was made while it was under way."""
    world = World(lab)
    held = {connection.worker: connection for connection in [lab.hold() for _ in range(8)]}
    was = world.lbd.pids()
    reload(2)(world)
    world.lbd.wait_worker("web:8081", "draining")
    world.lbd.ctl("service", "add", "x", "tcp", "0.0.0.0:82", "pool", "web")
    assert "rolls: web " in records(world.lbd)[0]
    world.lbd.ctl("pool", "undrain", "127.0.0.1:8081")
    for _ in range(2):
        kill_and_wait(world.lbd.pid)
        world.lbd = world.lbd.restart_as_is()
        workers = world.lbd.workers()
        assert {w["settings"] for w in workers.values()} == {"old"}, workers
        assert not [w for w in workers.values() if "roll" in w], workers
        assert world.lbd.pids() == was and "rolling" not in world.lbd.output()
    assert held["8081"].get().worker == "8081"


def test_drain_of_one_that_is_not_lbds(lab):
    """Its open connections have their time also where the drain was not put down as under way."""
    world = World(lab)
    lab.app(9001)
    world.lbd.wait_state(PLAIN, "up")
    held = lab.hold(port=81)
    killed_between(world, ctl("pool", "drain", PLAIN))
    world.lbd = world.lbd.restart_as_is()
    assert world.lbd.backend(PLAIN)["state"] == "draining"
    assert held.get().worker == "9001"
    held.close()
    world.lbd.wait_state(PLAIN, "drained")


def test_killed_in_a_save(lab):
    """Of what lbctl has changed, for several files, nothing is lost, and another save writes the rest."""
    world = World(lab)
    for n in itertools.count(1):
        world.lbd.ctl("pool", "add", "plain", "127.0.0.1:%d" % (9100 + n))
        world.lbd.ctl("service", "add", "x%d" % n, "tcp", "0.0.0.0:%d" % (90 + n), "pool", "web")
        before = world.begin()
        was_told, tracer = kill_at(world, n, ctl("save"))
        if was_told and world.lbd.alive():
            tracer.stop()
            break
        world.lbd.wait()
        world.lbd = world.lbd.restart_as_is()
        world.wait_for(before, what=n)
        world.lbd.ctl("save")
        assert "no difference" in world.lbd.ctl("reread") and world.look() == before
    assert n > 3
