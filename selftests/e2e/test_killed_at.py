# SPDX-License-Identifier: Apache-2.0
"""
lbd killed at one system call after the other, of a start, an adoption, a reexec and a stop (strace's fault
injection): the next lbd finds each worker once, and nothing half-written.  LBD_KILL_STEPS: at how many calls
of each kind, evenly spread; one by default.
"""

import collections
import contextlib
import os
import pathlib
import pwd
import re
import signal

import pytest
from lab import alive, pool, text_of, wait_until, web
from system import cgroups

# Those that change what outlives the process, or tell of a worker's beginning and end.
CALLS = (
    "mkdir rename renameat unlink unlinkat rmdir bind fchmodat setxattr write openat bpf clone3"
    " pidfd_send_signal kill execve"
).split()
STEPS = int(os.environ.get("LBD_KILL_STEPS", "1"))
PORTS = ("8081", "8082")

pytestmark = pytest.mark.usefixtures("under_strace")


def strace(*words):
    return ["strace", "-qq", *words]


def counted(log):
    """{call: how often}"""
    return collections.Counter(re.findall(r"^(\w+)\(", log.read_text(), re.M))


def points(counts):
    """(call, n): evenly spread."""
    found = []
    for call in CALLS:
        count = counts[call]
        steps = min(STEPS, count)
        found += [(call, 1 + count * (2 * i + 1) // (2 * steps)) for i in range(steps)]
    return found


def inject(call, n):
    return [
        "-o",
        "/dev/null",
        "-e",
        "trace=" + call,
        "-e",
        "inject=%s:signal=KILL:when=%d" % (call, n),
    ]


class World:
    """One instance with two workers, through its deaths."""

    def __init__(self, lab, **options):
        self.lab = lab
        self.lbd = None
        self.text = web(PORTS[0] + "-" + PORTS[1], attach="", **options)

    def start(self, **options):
        if self.lbd is None:
            self.lbd = self.lab.lbd(self.text, **options)
        else:
            self.lbd = self.lbd.restart(**options)

    def commands(self):
        """{pid: its words} of all processes in the namespace but lbd, its keeper, and what traces it."""
        found = {}
        for pid in self.lab.host.pids():
            with contextlib.suppress(OSError):
                words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")
                if (
                    alive(pid)
                    and words[0]
                    and b"/lbd" not in words[0]
                    and b"strace" not in words[0]
                    and b"--keep-output" not in words
                ):
                    found[pid] = b" ".join(words).decode()
        return found

    def check(self, pids=None, what=""):
        """Each worker is there once, and what is kept of them is whole."""
        lbd = self.lbd
        lbd.wait_up(len(PORTS))
        now = lbd.pids()
        assert pids in (None, now), (what, pids, now)
        commands = self.commands()
        for port in PORTS:
            of_port = [p for p, words in commands.items() if "--port=%s" % port in words]
            assert of_port == [now["web:" + port]], (what, of_port, now, commands)
        assert set(commands) == set(now.values()), (what, now, commands)
        run_dir = pathlib.Path("/run/lbd", lbd.instance)
        assert not [str(p) for p in run_dir.rglob("*.new")], what
        records = {p.name: p.read_text() for p in (run_dir / "workers").iterdir()}
        assert set(records) == set(now), what
        for name, pid in now.items():
            assert "\npid %d\n" % pid in records[name], (what, records)
        groups = {os.path.basename(c) for c in cgroups(lbd.instance)}
        assert groups == {lbd.instance} | set(now), (what, groups)
        self.lab.get()

    def stop(self):
        self.lbd.ctl("shutdown")
        self.lbd.wait()
        assert cgroups(self.lbd.instance) == []
        wait_until(lambda: self.lab.host.pids() == [], self.lab.host.pids)
        assert not os.path.exists(self.lbd.pin())
        assert not os.path.exists("/run/lbd/" + self.lbd.instance)


def end_traced(lbd):
    """It has not come to that call; perhaps it does now."""
    lbd.ctl("shutdown", check=False)
    lbd.wait()


def test_a_start(lab):
    world = World(lab)
    log = lab.path / "calls"
    world.start(wrap=strace("-o", log, "-e", "trace=" + ",".join(CALLS)))
    world.check()
    end_traced(world.lbd)
    for call, n in points(counted(log)):
        world.start(wrap=strace(*inject(call, n)), ready=False)
        wait_until(lambda: not world.lbd.alive() or "READY=1" in world.lbd.hear(0.05))
        was_killed = not world.lbd.alive()
        if not was_killed:
            end_traced(world.lbd)
        world.start()
        world.check(what=(call, n, was_killed))
        world.stop()


def test_an_adoption(lab):
    world = World(lab)
    world.start()
    world.check()
    pids = world.lbd.pids()
    log = lab.path / "calls"
    world.lbd.kill()
    world.start(wrap=strace("-o", log, "-e", "trace=" + ",".join(CALLS)))
    world.check(pids)
    os.kill(int(world.lbd.ctl("pid")), signal.SIGKILL)
    world.lbd.wait()
    for call, n in points(counted(log)):
        world.start(wrap=strace(*inject(call, n)), ready=False)
        wait_until(lambda: not world.lbd.alive() or "READY=1" in world.lbd.hear(0.05))
        if world.lbd.alive():
            os.kill(int(world.lbd.ctl("pid")), signal.SIGKILL)
            world.lbd.wait()
        world.start()
        world.check(pids, (call, n))
        world.lbd.kill()
    world.start()
    world.check(pids)


def cannot_look(world, log, paths):
    """strace(1)'s words for each step at which an adoption sees whether a worker runs, or takes its listener."""
    world.start(wrap=strace("-o", log, "-e", "trace=bpf"))
    world.check()
    os.kill(int(world.lbd.ctl("pid")), signal.SIGKILL)
    world.lbd.wait()
    calls = [line for line in log.read_text().splitlines() if line.startswith("bpf(")]
    for n, call in enumerate(calls, 1):
        if "BPF_LINK_CREATE, {link_create={prog_fd" in call and "attach_type=BPF_TRACE_ITER" in call:
            yield ["-o", "/dev/null", "-e", "trace=bpf", "-e", "inject=bpf:error=ENOMEM:when=%d" % n]
    for path in paths:
        yield from (refuse(n, path) for n in (1, 2, 3))
    for n in (1, 2, 3):
        yield ["-o", "/dev/null", "-e", "trace=listen", "-e", "inject=listen:error=EADDRINUSE:when=%d" % n]


@pytest.mark.parametrize(
    "options", [{}, {"words": "--inherit", "worker": "listen inherit;"}], ids=["own", "inherit"]
)
def test_an_adoption_that_cannot_look(lab, options):
    """What cannot be seen for once is not taken for dead, nor a listener for closed: the start says so, or goes on."""
    world = World(lab, **options)
    world.start()
    world.check()
    pids = world.lbd.pids()
    name = "web:" + PORTS[0]
    record = "/run/lbd/%s/workers/%s" % (world.lbd.instance, name)
    world.lbd.kill()
    steps = list(cannot_look(world, lab.path / "calls", ["/proc/%d/status" % pids[name], record]))
    assert len(steps) > 8, steps
    for step in steps:
        world.start(wrap=strace(*step), ready=False)
        wait_until(lambda: not world.lbd.alive() or "READY=1" in world.lbd.hear(0.05))
        if not world.lbd.alive():
            world.start()
        world.check(pids, step)
        os.kill(int(world.lbd.ctl("pid")), signal.SIGKILL)
        world.lbd.wait()
    world.start()
    world.check(pids)


def test_no_socket(lab):
    """A start that fails since no socket can be made says that, wherever it is; at each in turn.  Else it is told."""
    said = []
    for n in range(1, 20):
        fails = ["-o", "/dev/null", "-e", "inject=socket:error=EMFILE:when=%d" % n]
        lbd = lab.lbd("", wrap=strace(*fails), ready=False)
        wait_until(lambda: not lbd.alive() or "ready" in lbd.output().splitlines(), lbd.output)
        if lbd.alive():
            wait_until(lambda: "READY=1" in lbd.hear(0.05), lbd.output)
            os.kill(int(lbd.ctl("pid")), signal.SIGKILL)
            lbd.wait()
            continue
        assert lbd.wait() == 1
        said.append(lbd.output().strip().splitlines()[-1])
        assert said[-1].endswith(": Too many open files"), (n, said)
    for what in ("(rtnetlink)", "cannot watch interfaces", "control: cannot listen"):
        assert any(what in line for line in said), (what, said)


@contextlib.contextmanager
def traced(lab, lbd, *words):
    """strace is attached to it."""
    tracer = lab.process("strace", *words, "-p", lbd.pid)
    tracer.wait_output("attached")
    yield
    wait_until(lambda: not tracer.alive(), "strace ends with lbd")


def keepers(lbd):
    """Of that instance, of whichever lbd."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        words = text_of(path).split("\0")
        if "--keep-output" in words and "/run/lbd/" + lbd.instance in words and alive(int(path.parent.name)):
            found.append(int(path.parent.name))
    return found


def test_no_look_for_the_keeper(lab):
    """One of the dead lbd that is not found goes on reading, beside that of the next: it is looked for again."""
    world = World(lab)
    world.start()
    world.check()
    pids, log, failed = world.lbd.pids(), lab.path / "calls", 0
    world.lbd.kill()
    world.start(wrap=strace("-o", log, "-e", "trace=socket"))
    world.check(pids)
    calls = re.findall(r"^socket\(.*", log.read_text(), re.M)
    for n in [n for n, call in enumerate(calls, 1) if "NETLINK_SOCK_DIAG" in call]:
        os.kill(int(world.lbd.ctl("pid")), signal.SIGKILL)
        world.lbd.wait()
        fails = ["-o", log, "-e", "trace=socket", "-e", "inject=socket:error=ENFILE:when=%d" % n]
        world.start(wrap=strace(*fails), ready=False)
        wait_until(lambda: not world.lbd.alive() or "READY=1" in world.lbd.hear(0.05))
        hit = re.search(r"^socket\(.*INJECTED", log.read_text(), re.M)
        if not world.lbd.alive():
            world.start()
        world.check(pids, n)
        # How many sockets a start opens before varies: one of another kind may be the n-th.
        if hit and "NETLINK_SOCK_DIAG" in hit.group():
            failed += 1
            assert len(keepers(world.lbd)) == 1, (n, hit.group(), world.lbd.output())
    assert failed
    os.kill(int(world.lbd.ctl("pid")), signal.SIGKILL)
    world.lbd.wait()
    world.start()
    world.check(pids)


def test_a_reexec(lab):
    world = World(lab)
    world.start()
    world.check()
    pids = world.lbd.pids()
    log = lab.path / "calls"
    with traced(lab, world.lbd, "-o", log, "-e", "trace=" + ",".join(CALLS)):
        world.lbd.ctl("reexec")
        world.check(pids)
        world.lbd.kill()
    for call, n in points(counted(log)):
        world.start()
        world.check(pids, (call, n))
        with traced(lab, world.lbd, *inject(call, n)):
            world.lbd.ctl("reexec", check=False)
            # The last calls come after the answer.
            wait_until(lambda: not world.lbd.alive() or world.lbd.ctl("pid", check=False))
            world.lbd.kill()
    world.start()
    world.check(pids)


def test_a_stop(lab):
    """One that was killed in it is no stop by command: the next lbd starts what had ended."""
    world = World(lab)
    world.start()
    world.check()
    log = lab.path / "calls"
    with traced(lab, world.lbd, "-o", log, "-e", "trace=" + ",".join(CALLS)):
        world.lbd.signal(signal.SIGTERM)
        assert world.lbd.wait() == 0
    for call, n in points(counted(log)):
        world.start()
        world.check(what=(call, n))
        with traced(lab, world.lbd, *inject(call, n)):
            world.lbd.signal(signal.SIGTERM)
            world.lbd.wait()
    world.start()
    world.check()
    world.stop()


def refuse(n, *paths):
    """No descriptor for the n-th openat(2), of these paths alone; "1+": for none."""
    return [
        *("-o", "/dev/null", "-e", "trace=openat"),
        *("-e", "inject=openat:error=EMFILE:when=%s" % n),
        *(word for path in paths for word in ("-P", path)),
    ]


def test_a_stop_without_descriptors(lab):
    """It removes all, or says what is left, and that is nothing that the next start takes for a whole."""
    world = World(lab)
    world.start()
    world.check()
    log = lab.path / "calls"
    with traced(lab, world.lbd, "-o", log, "-e", "trace=openat"):
        world.lbd.signal(signal.SIGTERM)
        assert world.lbd.wait() == 0
    count = counted(log)["openat"]
    pins = [world.lbd.pin(kind) for kind in ("maps", "links")]
    steps = [(n, pin) for pin in pins for n in ("1", "1+")]
    steps += [(str(1 + count * (2 * i + 1) // (4 * STEPS)),) for i in range(2 * STEPS)]
    for step in steps:
        world.start()
        world.check(what=step)
        with traced(lab, world.lbd, *refuse(*step)):
            world.lbd.signal(signal.SIGTERM)
            assert world.lbd.wait() == 0
        for path in (world.lbd.pin(), "/run/lbd/" + world.lbd.instance):
            assert not os.path.exists(path) or str(path) in world.lbd.output(), step
        assert not os.path.exists(world.lbd.pin("maps/meta")), step
    world.start()
    world.check()
    world.stop()


WRITES = "sh -c 'while :; do echo a line of some length, to fill the log; sleep 0.02; done'"
USER = pwd.getpwnam("www-data")
ADM = 4


def rights(path):
    st = path.stat()
    return st.st_uid, st.st_gid, oct(st.st_mode)


class Log:
    """A worker's, in a directory of root's or of its user's, and its lbd."""

    def __init__(self, lab, whose):
        self.lab = lab
        self.directory = lab.path / "logs"
        self.directory.mkdir()
        self.path = self.directory / "worker.log"
        if whose == "root":
            self.path.touch()
            os.chown(self.path, 0, ADM)
            self.path.chmod(0o660)
        else:
            os.chown(self.directory, USER.pw_uid, USER.pw_gid)
        self.text = pool(WRITES, "user www-data; stdout %s size 2k files 2;" % self.path)
        self.lbd = None

    def start(self, **options):
        self.lbd = self.lbd.restart(**options) if self.lbd else self.lab.lbd(self.text, **options)

    def wait_written(self):
        before = text_of(self.path)
        wait_until(lambda: text_of(self.path) not in ("", before), self.lbd.output)


@pytest.mark.parametrize("whose", ("root", "user"))
def test_a_rotation(lab, whose):
    """Killed at any step, or where one fails: the log is written on, with the rights that it had."""
    log = Log(lab, whose)
    log.start()
    log.wait_written()
    before, pids = rights(log.path), log.lbd.pids()
    for call in ("unlinkat", "fchown", "fchmod", "renameat2"):
        with traced(lab, log.lbd, *inject(call, 1)):
            wait_until(lambda: not log.lbd.alive(), "it is killed")
        log.lbd.wait()
        log.start()
        log.wait_written()
        assert (rights(log.path), log.lbd.pids()) == (before, pids), (call, log.lbd.output())
    trace = lab.trace(log.lbd, "fchown", error="EDQUOT")
    wait_until(lambda: "cannot be rotated, and grows on" in log.lbd.output(), log.lbd.output)
    log.wait_written()
    trace.stop()
    assert rights(log.path) == before
    assert "dropped" not in log.lbd.output()
    os.kill(pids["web:8081"], signal.SIGKILL)
    wait_until(lambda: log.lbd.pids()["web:8081"] not in (0, pids["web:8081"]), log.lbd.output)
    assert {rights(p) for p in log.directory.glob("worker.log*")} == {before}


def test_a_log_is_made(lab):
    """Killed before it belongs to the worker's user: the next lbd finds root's file there."""
    log = Log(lab, "user")
    log.start(wrap=strace("-P", log.path, *inject("fchown", 1)), ready=False)
    wait_until(lambda: not log.lbd.alive(), log.lbd.output)
    assert log.path.stat().st_uid == 0
    log.start()
    log.wait_written()
    assert log.path.stat().st_uid == USER.pw_uid
