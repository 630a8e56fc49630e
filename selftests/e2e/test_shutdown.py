# SPDX-License-Identifier: Apache-2.0
"""The orderly end: what is under way is answered, unless somebody asks a second time."""

import contextlib
import os
import pathlib
import signal
import socket

import pytest
from daemon import refusals
from lab import alive, slow_end, wait_equal, wait_until, web


def shutdown(lbd, how):
    if how == "signal":
        lbd.signal(signal.SIGTERM)
    else:
        lbd.lab.process(*lbd.ctl_command("shutdown"))
    wait_until(lambda: "stopping: draining" in lbd.output(), lbd.output)


def under_way(lab, lbd, seconds, count=4):
    load = lab.load("burst", count=count, path="/sleep?s=%d" % seconds)
    wait_until(lambda: sum(lbd.active().values()) == count, lbd.active)
    return load


@pytest.mark.parametrize("how", ["signal", "lbctl"])
def test_what_is_under_way_is_answered(lab, how):
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    load = under_way(lab, lbd, 2)
    shutdown(lbd, how)
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    assert {r.outcome for r in load.finish()} == {"ok"}
    assert lbd.wait() == 0
    assert not any(alive(p) for p in pids.values())


@pytest.mark.parametrize("how", ["signal", "lbctl"])
def test_asked_again_it_cuts(lab, how):
    lbd = lab.lbd(web("8081-8082", pool="drain_timeout 1h;"))
    lbd.wait_up(2)
    load = under_way(lab, lbd, 3600)
    assert lbd.json("status")["state"] == "running" and "STOPPING" not in lbd.ctl("status")
    shutdown(lbd, how)
    wait_equal(lambda: set(lbd.states().values()), {"draining"})
    assert lbd.json("status")["state"] == "draining"
    assert "\nstate       STOPPING: no new connections" in lbd.ctl("status")
    assert "being stopped" in lbd.refused("worker", "start", "web:8081")
    assert "being stopped" in lbd.refused("reload")
    if how == "signal":
        lbd.signal(signal.SIGINT)
    else:
        lbd.ctl("shutdown")
    assert lbd.wait() == 0
    assert not {r.outcome for r in load.finish()} & {"ok"}


def test_drain_timeout_is_the_limit(lab):
    lbd = lab.lbd(web("8081", pool="drain_timeout 500ms;"))
    lbd.wait_up(1)
    held = lab.hold()
    shutdown(lbd, "signal")
    assert lbd.wait() == 0
    assert held.wait_end() in ("closed", "reset")
    assert "drain deadline: 1 connections are open" in lbd.output()


def test_by_priority(lab):
    """Who is to end later is left alone meanwhile; and who drains already goes on to."""
    late = web("8091", worker="priority 1;", name="late", listen=["0.0.0.0:81"], attach="")
    lbd = lab.lbd(web("8081-8082", worker="priority 2;") + late)
    lbd.wait_up(3)
    pids = lbd.pids()
    held = [lab.hold() for _ in range(4)]
    first = next(c for c in held if c.worker == "8081")
    lbd.ctl("pool", "drain", "127.0.0.1:8081")
    shutdown(lbd, "signal")
    assert first.get().pid == pids["web:8081"]
    assert lbd.workers()["late:8091"]["state"] == "up"
    assert "EXTEND_TIMEOUT_USEC=" in lbd.hear(1) and "STOPPING=1" in lbd.notified
    for connection in held:
        connection.close()
    assert lbd.wait() == 0
    assert not any(alive(p) for p in pids.values())


class DeafManager:
    """A service manager's socket; it reads when it is told to."""

    def __init__(self, lab):
        self.path = str(lab.short / "manager")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def fill(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    sender.sendto(b"X=1", self.path)

    def hear(self, words):
        """Reads until it has been told so; all that it has heard."""
        heard = []
        self.socket.settimeout(30)
        while not heard or not heard[-1].startswith(words):
            text = self.socket.recv(4096).decode()
            heard += [text] if text != "X=1" else []
        return heard


def test_a_manager_that_does_not_read_holds_nobody(lab):
    manager = DeafManager(lab)
    manager.fill()
    lbd = lab.lbd(
        web("8081", worker=slow_end(lab)),
        ready=False,
        environment={"NOTIFY_SOCKET": manager.path},
    )
    lbd.wait_output("^ready$")
    lbd.wait_up(1)
    assert manager.hear("READY=1") == ["READY=1"]
    manager.fill()
    shutdown(lbd, "signal")
    wait_equal(lambda: lbd.workers()["web:8081"]["state"], "stopping")
    assert manager.hear("EXTEND_TIMEOUT_USEC=")[0] == "STOPPING=1"
    (lab.path / "may-end").touch()
    assert lbd.wait() == 0


def test_an_end_takes_no_process(lab):
    """One for each worker would have to come to its turn, and lbd to wait for that, while the machine is busy."""
    lbd = lab.lbd(web("8081-8088"))
    lbd.wait_up(8)
    trace = lab.trace(lbd, "clone,clone3,fork,vfork")
    for name in lbd.pids():
        lbd.ctl("worker", "stop", name)
    wait_equal(lambda: {w["state"] for w in lbd.workers().values()}, {"stopped"})
    trace.stop()
    assert not [line for line in trace.text().splitlines() if "fork" in line or "clone" in line]
    assert lbd.stop() == 0


def sockets_of(lbd):
    count = 0
    for fd in pathlib.Path("/proc/%d/fd" % lbd.pid).iterdir():
        with contextlib.suppress(FileNotFoundError):  # a client of its has gone
            count += os.readlink(fd).startswith("socket:")
    return count


def test_ends_of_children_are_not_ignored(lab):
    """As by who starts lbd, perhaps: what ends with a process of its own would stay open."""
    text = web("8081-8082", words="--inherit", worker="listen inherit;")
    lbd = lab.lbd(text, wrap=("env", "--ignore-signal=CHLD"))
    lbd.wait_up(2)
    before = sockets_of(lbd)
    for _ in range(3):
        lbd.ctl("worker", "stop", "web:*")
        wait_equal(lambda: {w["state"] for w in lbd.workers().values()}, {"stopped"})
        lbd.ctl("worker", "start", "web:*")
        lbd.wait_up(2)
    wait_until(lambda: sockets_of(lbd) <= before, lambda: sockets_of(lbd))


WENT_AWAY = "lbctl: lbd went away before its reply; see its log"
DRAINS = {
    "shutdown": "shutdown",
    "stop": "worker stop web:8081",
    "restart": "worker restart web:8081",
    "drain": "pool drain 127.0.0.1:8081 wait",
    "roll": "roll web wait",
}


@pytest.mark.parametrize("verb", DRAINS)
def test_killed_in_a_verb_that_waits(lab, verb):
    """Whoever goes on after `done` must not find a worker that still runs."""
    lbd = lab.lbd(web("8081", pool="drain_timeout 1h;"))
    lbd.wait_up(1)
    pids = lbd.pids()
    held = lab.hold()
    asked = lab.process(*lbd.ctl_command(*DRAINS[verb].split()))
    wait_equal(lambda: lbd.workers()["web:8081"]["state"], "draining")
    lbd.kill()
    assert asked.wait() == 3, asked.output()
    assert refusals(asked.output())[-1] == WENT_AWAY and "stopped" not in asked.output()
    assert alive(pids["web:8081"])
    held.close()
    lbd.restart()


def killed_at(lab, call, verb):
    """What lbctl says when lbd is killed at that system call."""
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    trace = lab.trace(lbd, call, stop=True)
    asked = lab.process(*lbd.ctl_command(verb))
    wait_until(lambda: call + "(" in trace.text(), lbd.output)
    lbd.kill()
    assert asked.wait() == 3, asked.output()
    lbd.restart().wait_up(1)
    return asked.output()


def test_killed_in_its_last_acts(lab):
    """No worker is left, but what else it has to undo is."""
    assert refusals(killed_at(lab, "rmdir", "shutdown")) == ["stopping", WENT_AWAY]


def test_killed_in_a_reexec(lab):
    """After its reply: the next program is not there yet."""
    assert "lbctl: lbd has ended instead" in killed_at(lab, "execve", "reexec")


def test_two_who_ask_are_told_of_the_end(lab):
    lbd = lab.lbd(web("8081", pool="drain_timeout 1h;"))
    lbd.wait_up(1)
    held = lab.hold()
    first = lab.process(*lbd.ctl_command("shutdown"))
    wait_equal(lambda: lbd.workers()["web:8081"]["state"], "draining")
    assert first.alive()
    assert lbd.ctl("shutdown") == "stopped\n"
    assert first.wait() == 0 and first.output().splitlines() == ["stopping", "stopped"]
    assert held.wait_end() in ("closed", "reset")
