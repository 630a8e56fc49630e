# SPDX-License-Identifier: Apache-2.0
"""A child that its own user holds: traced, or kept from its program by a lease.  Nobody waits for it."""

import contextlib
import errno
import os
import pathlib
import pwd
import re
import shutil
import signal

import pytest
from lab import DEADLINE, PYTHON, alive, cgroups, kill_and_wait, wait_equal, wait_until

USER = pwd.getpwnam("nobody")
# One that is held, and another that is not to suffer from it.
POOLS = """
pool held { worker { ports 8081; command "%s"; user nobody; backoff 20ms 20ms; %s } %s }
pool free { worker { ports 8082; command "%s -m http.server --bind 127.0.0.1 $port"; } }
service free { listen 0.0.0.0:80; pool free; }
"""
SERVER = """
import sys, threading
from http.server import *
threading.Thread(target=threading.Event().wait, daemon=True).start()
HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
"""
# Traces every thread of its user's processes that have the word, and waits for none of them.
TRACER = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None)
SEIZE, EVENT_EXIT = 0x4206, 0x40
options = EVENT_EXIT if "before-end" in sys.argv[1] else 0
def go():
    while True:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open("/proc/%s/cmdline" % pid).read()
                if sys.argv[1] in words and int(pid) != os.getpid():
                    for tid in os.listdir("/proc/%s/task" % pid):
                        if not libc.ptrace(SEIZE, int(tid), None, ctypes.c_void_p(options)):
                            print("traces", pid, flush=True)
            except OSError:
                pass
if "thread" in sys.argv:
    threading.Thread(target=go).start()
else:
    go()
"""
# Holds a lease, and does not let go when it is to.
LESSEE = """
import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = open(sys.argv[1], "r+")
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
signal.pause()
"""


def theirs(lab, name, text):
    """A program in a directory of the user's."""
    directory = lab.short / "theirs"
    lab.short.chmod(0o755)
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)
    os.chown(path, USER.pw_uid, USER.pw_gid)
    return str(path)


def as_user(lab, name, text, *words):
    """A process of the user's in none of lbd's control groups."""
    return lab.process(
        *("setpriv", "--reuid", str(USER.pw_uid), "--regid", str(USER.pw_gid), "--clear-groups"),
        *(PYTHON, theirs(lab, name, text), *words),
        log=name + ".log",
    )


def zombies(lbd):
    return [pid for pid, state in lbd.children().items() if state == "Z"]


def traced(tracer):
    """By whole lines: one may be read while it is written."""
    return {int(pid) for pid in re.findall(r"^traces (\d+)\n", tracer.output(), re.M)}


STAYS = "sh -c 'sleep 1000; true' held-%s"
TRACED = {
    "worker": ("stop_timeout 100ms;", ""),
    "before_start": ('before_start "%s -c \\"import time; time.sleep(0.5)\\" held-%%s";' % PYTHON, ""),
    "after_stop": ('after_stop "%s"; stop_timeout 200ms;' % STAYS, ""),
    "check": ("", 'health { exec "%s"; timeout 200ms; interval 200ms; }' % STAYS),
}


@pytest.mark.parametrize("kind", TRACED)
def test_traced(lab, kind):
    """Whoever traces a zombie keeps its parent from reaping it, though its pidfd tells of its end."""
    worker, check = (text.replace("%s", lab.name) for text in TRACED[kind])
    server = theirs(lab, "server.py", SERVER)
    command = "%s %s $port" % (PYTHON, server) + (" held-" + lab.name) * ("worker" in kind)
    tracer = as_user(lab, "tracer.py", TRACER, "held-" + lab.name)
    lbd = lab.lbd(POOLS % (command, worker, check, PYTHON))
    lbd.wait_up(1, "free")
    if kind != "check":
        lbd.wait_up(1, "held")
        before = lbd.pids()["held:8081"]
        if "worker" in kind:
            wait_until(lambda: before in traced(tracer), tracer.output)
        lbd.ctl("worker", "restart", "held:8081", "force")
        lbd.wait_up(1, "held")
        assert lbd.pids()["held:8081"] != before
    ended = lambda: [pid for pid in traced(tracer) if not alive(pid) or pid in zombies(lbd)]
    wait_until(ended, tracer.output)
    assert lab.get().status == 200
    tracer.kill()
    wait_until(lambda: not zombies(lbd), lbd.children)


@pytest.mark.parametrize("kind", ["worker", "check"])
def test_traced_before_its_end(lab, kind):
    """What lbd has killed is stopped before its end for its tracer, and no further SIGKILL helps."""
    mark = "before-end-" + lab.name
    server = theirs(lab, "server.py", SERVER)
    command = "%s %s $port %s" % (PYTHON, server, mark * (kind == "worker"))
    check = TRACED["check"][1].replace("held-%s", mark) if kind == "check" else ""
    tracer = as_user(lab, "tracer.py", TRACER, mark)
    lbd = lab.lbd(POOLS % (command, "stop_timeout 100ms;", check, PYTHON))
    lbd.wait_up(1, "free")
    wait_until(lambda: traced(tracer), tracer.output)
    if kind == "worker":
        lbd.wait_up(1, "held")
        before = lbd.pids()["held:8081"]
        wait_until(lambda: before in traced(tracer), tracer.output)
        lbd.ctl("worker", "restart", "held:8081", "force")
        lbd.wait_up(1, "held")
        assert lbd.pids()["held:8081"] != before
    wait_until(lambda: not tracer.alive(), lbd.children)


@pytest.mark.parametrize("kind", ["thread", "chain"])
def test_held_by_many(lab, kind):
    """TracerPid is a thread's, maybe none that leads its process; and who traces may be held in turn."""
    mark, other = "before-end-" + lab.name, "before-end2-" + lab.name
    command = "%s %s $port %s" % (PYTHON, theirs(lab, "server.py", SERVER), mark)
    tracers = [as_user(lab, "tracer.py", TRACER, mark, other, kind)]
    if kind == "chain":
        tracers.append(as_user(lab, "tracer2.py", TRACER, other))
        wait_until(lambda: traced(tracers[1]), tracers[1].output)
    lbd = lab.lbd(POOLS % (command, "stop_timeout 100ms;", "", PYTHON))
    lbd.wait_up(1, "held")
    before = lbd.pids()["held:8081"]
    wait_until(lambda: before in traced(tracers[0]), tracers[0].output)
    lbd.ctl("worker", "restart", "held:8081", "force")
    lbd.wait_up(1, "held")
    assert lbd.pids()["held:8081"] != before
    wait_until(lambda: not any(tracer.alive() for tracer in tracers), lbd.children)


def test_end_goes_on_without(lab):
    """Who traces is of another user, whom lbd does not kill: the worker is given up at last."""
    mark = "before-end-" + lab.name
    command = "%s %s $port %s" % (PYTHON, theirs(lab, "server.py", SERVER), mark)
    tracer = lab.process(PYTHON, theirs(lab, "tracer.py", TRACER), mark, log="tracer.log")
    lbd = lab.lbd(POOLS % (command, "stop_timeout 100ms;", "", PYTHON))
    lbd.wait_up(1, "held")
    held = lbd.pids()["held:8081"]
    wait_until(lambda: held in traced(tracer), tracer.output)
    os.kill(lbd.pid, signal.SIGTERM)
    told = "pid %d has not ended .* after SIGKILL .*TracerPid %d" % (held, tracer.pid)
    lbd.wait_output(told, 2 * DEADLINE)
    assert lbd.wait() == 0
    assert tracer.alive()
    tracer.kill()
    wait_until(lambda: not alive(held))
    # Its group was not empty when lbd ended, and is not before who has ended is reaped.
    for group in cgroups(lbd.instance):
        wait_until(lambda: is_removed(group))


def is_removed(group):
    try:
        os.rmdir(group)
    except OSError as error:
        assert error.errno == errno.EBUSY
        return False
    return True


def number(lbd, key):
    """Of the held worker, as lbd remembers it."""
    text = pathlib.Path("/run/lbd", lbd.instance, "states").read_text()
    found = re.search(r"^held:8081 .*\b%s=(\d+) " % key, text, re.M)
    return int(found.group(1)) if found else 0


def wait_more(lbd, key, more=5):
    wanted = number(lbd, key) + more
    wait_until(lambda: number(lbd, key) >= wanted, lbd.output)


def note(lbd):
    return lbd.workers()["held:8081"]["note"]


def descriptors(lbd):
    """Those by which it waits for ends."""
    count = 0
    for fd in os.listdir("/proc/%d/fd" % lbd.pid):
        with contextlib.suppress(OSError):
            link = os.readlink("/proc/%d/fd/%s" % (lbd.pid, fd))
            count += "pidfd" in link or link.endswith("/cgroup.events")
    return count


def check_groups(lbd):
    return [path for path in cgroups(lbd.instance) if "/lbd.checks/" in path]


# What a try that is held costs: descriptors, groups, zombies.
COSTS = {"held": (0, 0, 1), "before-end": (2, 1, 0)}


@pytest.mark.parametrize("kind", COSTS)
def test_one_check_is_held_at_a_time(lab, kind):
    """Through further tries, another check, and a pool that comes again: they count as failed."""
    mark = "%s-%s" % (kind, lab.name)
    check = "health { exec \"sh -c 'sleep 1000; true' %s\"; timeout 200ms; interval %dms; fall 1000; }"
    command = "%s %s $port" % (PYTHON, theirs(lab, "server.py", SERVER))
    pools = lambda ms: POOLS % (command, "stop_timeout 1s;", check % (mark, ms), PYTHON)
    tracer = lab.process(PYTHON, theirs(lab, "tracer.py", TRACER), mark, log="tracer.log")
    lbd = lab.lbd(pools(200))
    lbd.wait_up(1, "free")
    told = lambda: re.search(
        r"not begun: pid (\d+) \(state [tZ], TracerPid %d\)" % tracer.pid, note(lbd)
    )
    wait_until(told, lambda: note(lbd))
    held = told().group(1)
    # Besides, it waits for the ends of two workers and of the keeper of their output.
    costs = lambda: (descriptors(lbd) - 3, len(check_groups(lbd)), len(zombies(lbd)))
    wait_more(lbd, "bad")
    assert costs() == COSTS[kind]
    for ms in (201, 202, 203):
        lbd.config(pools(ms))
        lbd.ctl("reload")
        wait_more(lbd, "bad", 2)
    assert costs() == COSTS[kind]
    lbd.config("\n".join(line for line in pools(200).splitlines() if "pool held" not in line))
    lbd.ctl("reload")
    wait_until(lambda: "held:8081" not in lbd.workers(), lbd.workers)
    lbd.config(pools(200))
    lbd.ctl("reload")
    wait_until(lambda: told() and told().group(1) == held, lambda: note(lbd))
    assert costs() == COSTS[kind] and lab.get().status == 200
    # Who held it lets go: the next one runs to its time.
    tracer.kill()
    wait_until(lambda: "no answer within 200 ms" in note(lbd), lambda: note(lbd))
    wait_until(lambda: not zombies(lbd), lbd.children)


def test_a_worker_is_held_again_and_again(lab):
    """Each costs a process number: at some point no further one is started, until they have gone."""
    tracer = lab.process(
        PYTHON, theirs(lab, "tracer.py", TRACER), "held-" + lab.name, log="tracer.log"
    )
    # A signal, as of a child's end, would stop it.
    ends = "%s -c 'import time; time.sleep(0.3); raise SystemExit(1)' held-%s"
    command = ends % (PYTHON, lab.name)
    lbd = lab.lbd(POOLS % (command, "start_retries 1000000;", "", PYTHON))
    lbd.wait_up(1, "free")
    told = r"8 processes and control groups of its earlier runs have not gone, allowed are 7; one is pid \d+"
    wait_until(lambda: re.search(told, note(lbd)), lambda: note(lbd), 2 * DEADLINE)
    assert len(zombies(lbd)) == 8
    wait_more(lbd, "failures")
    assert len(zombies(lbd)) == 8 and "TracerPid %d" % tracer.pid in note(lbd)
    tracer.kill()
    wait_until(lambda: lbd.pids()["held:8081"], lbd.children)
    wait_until(lambda: not zombies(lbd), lbd.children)


HELPER = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", "before-" + sys.argv[2]])
"""


def group_of(pid):
    text = pathlib.Path("/proc/%d/cgroup" % pid).read_text()
    return text.rstrip("\n").rpartition("/")[2]


def worker_groups(lbd):
    return {os.path.basename(path) for path in cgroups(lbd.instance)} - {lbd.instance, "free:8082"}


def test_a_group_that_does_not_empty(lab):
    """The next process has a group of its own, by which it is known to the next lbd; the old one goes at its end."""
    mark = "before-end-" + lab.name
    server = theirs(lab, "server.py", HELPER + SERVER)
    command = "%s %s $port %s" % (PYTHON, server, mark.removeprefix("before-"))
    tracer = lab.process(PYTHON, theirs(lab, "tracer.py", TRACER), mark, log="tracer.log")
    lbd = lab.lbd(POOLS % (command, "", "", PYTHON))
    lbd.wait_up(1, "held")
    before = lbd.pids()["held:8081"]
    helpers = lambda: [pid for pid in traced(tracer) if group_of(pid) == "held:8081"]
    wait_until(helpers, tracer.output)
    assert group_of(before) == "held:8081"
    kill_and_wait(before)
    wait_until(lambda: lbd.pids()["held:8081"] not in (0, before), lbd.output)
    lbd.wait_up(1, "held")
    now = lbd.pids()["held:8081"]
    assert group_of(now) == "held:8081~1" and group_of(helpers()[0]) == "held:8081"
    for is_lost in (False, True):
        lbd.kill()
        if is_lost:
            shutil.rmtree("/run/lbd/" + lbd.instance)
        lbd = lbd.restart()
        lbd.wait_up(1, "held")
        assert lbd.pids()["held:8081"] == now
        assert worker_groups(lbd) == {"held:8081", "held:8081~1"}
    tracer.kill()
    wait_equal(lambda: worker_groups(lbd), {"held:8081~1"})
    kill_and_wait(now)
    wait_until(lambda: lbd.pids()["held:8081"] not in (0, now), lbd.output)
    assert group_of(lbd.pids()["held:8081"]) == "held:8081"
    wait_equal(lambda: worker_groups(lbd), {"held:8081"})


def test_end_while_traced(lab):
    """Neither a change of program nor the end waits for what cannot be reaped."""
    server = theirs(lab, "server.py", SERVER)
    command = "%s %s $port held-%s" % (PYTHON, server, lab.name)
    check = TRACED["check"][1].replace("%s", lab.name)
    tracer = as_user(lab, "tracer.py", TRACER, "held-" + lab.name)
    lbd = lab.lbd(POOLS % (command, "", check, PYTHON))
    lbd.wait_up(1, "free")
    wait_until(lambda: zombies(lbd) and lbd.pids()["held:8081"] in traced(tracer), tracer.output)
    lbd.ctl("reexec")
    wait_until(lambda: lbd.hear().count("READY=1") == 2, lbd.output)
    lbd.wait_up(1, "free")
    lbd.ctl("shutdown")
    assert lbd.wait() == 0


def in_exec(lbd):
    """Children that have not come to their program."""
    own, found = os.readlink("/proc/%d/exe" % lbd.pid), []
    for pid in lbd.children():
        with contextlib.suppress(OSError):
            if os.readlink("/proc/%d/exe" % pid) == own:
                found.append(pid)
    return found


@pytest.mark.parametrize("kind", ["worker", "inherit", "after_stop"])
def test_leased(lab, kind):
    """Exec waits for the lease; lbd answers meanwhile, and goes on when it is given up."""
    server = theirs(lab, "server.py", SERVER)
    serves = "exec %s %s $1" % (PYTHON, server)
    if kind == "inherit":
        serves = "exec sleep 1000"
    program = theirs(lab, "program", "#!/bin/sh\n%s\n" % (serves if kind != "after_stop" else ""))
    lessee = as_user(lab, "lessee.py", LESSEE, program)
    lessee.wait_output("^leased")
    options, command = "start_timeout 60s; stop_timeout 60s;", program + " $port"
    if kind == "inherit":
        options += "listen inherit;"
    elif kind == "after_stop":
        options += "after_stop %s;" % program
        command = "%s %s $port" % (PYTHON, server)
    lbd = lab.lbd(POOLS % (command, options, "", PYTHON))
    lbd.wait_up(1, "free")
    state = "starting"
    if kind == "after_stop":
        state = "stopping"
        lbd.wait_up(1, "held")
        kill_and_wait(lbd.pids()["held:8081"])
    wait_until(lambda: in_exec(lbd), lbd.children)
    held = in_exec(lbd)
    if kind != "after_stop":
        assert lbd.workers()["held:8081"]["state"] == state
        assert lbd.pids()["held:8081"] in held
    assert lab.get().status == 200
    assert held and in_exec(lbd) == held, "it was not waited for, nor given up"
    lessee.kill()
    wait_until(lambda: not in_exec(lbd), lbd.children)
    lbd.wait_up(1, "held")
