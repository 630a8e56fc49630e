# SPDX-License-Identifier: Apache-2.0
"""A worker's death: what it had taken is lost, and nothing that comes after."""

import re
import signal
import time

import pytest
from lab import HOST4, Connection, kill_and_wait, wait_until, web
from test_lost import wait_stopped


def failures(records, death):
    """Those of requests that were under way at the death; none may be of later connections."""
    failed = [r for r in records if r.outcome != "ok"]
    late = [r for r in failed if r.opened > death]
    assert not late, late[:5]
    return failed


@pytest.mark.parametrize("lbd_state", ["running", "stopped"])
def test_killed_under_load(lab, lbd_state):
    lbd = lab.lbd(web(worker="backoff 100ms 1s;"))
    lbd.wait_up(4)
    pids = lbd.pids()
    load = lab.load(rate=150, path=["/@9", "/sleep?s=0.05@1"])
    load.wait_count(100)
    if lbd_state == "stopped":
        lbd.signal(signal.SIGSTOP)
    blow = time.monotonic()
    death = kill_and_wait(pids["web:8081"])
    load.wait_count(150)
    if lbd_state == "stopped":
        lbd.signal(signal.SIGCONT)
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pids["web:8081"]), "a successor")
    lbd.wait_up(4)
    again = lbd.pids()
    load.wait_count(100)
    records = load.stop()

    failed = failures(records, death)
    under_way = [r for r in records if r.opened <= death and r.end >= blow]
    assert set(map(id, failed)) <= set(map(id, under_way))
    assert {r.outcome for r in failed} <= {"reset", "closed", "refused"}
    # The others were not touched, and the successor is chosen again.
    assert {n: p for n, p in again.items() if n != "web:8081"} == {
        n: p for n, p in pids.items() if n != "web:8081"
    }
    assert {r.worker for r in records if r.opened > death and r.pid == again["web:8081"]} == {
        "8081"
    }
    assert lbd.workers()["web:8081"]["restarts"] == 1


def test_what_the_dead_one_held_is_what_is_lost(lab):
    """Exactly the held requests fail, one for one."""
    lbd = lab.lbd(web())
    lbd.wait_up(4)
    held = lab.load("burst", count=20, path="/sleep?s=3")
    wait_until(lambda: sum(lbd.active().values()) == 20, lbd.active)
    taken = lbd.active()["8081"]
    assert 0 < taken < 20
    kill_and_wait(lbd.pids()["web:8081"])
    records = held.finish()
    assert len([r for r in records if r.outcome != "ok"]) == taken
    assert {r.worker for r in records if r.outcome == "ok"} == {"8082", "8083", "8084"}


@pytest.mark.parametrize("lbd_state", ["dead", "stopped"])
def test_all_dead_then_back(lab, lbd_state):
    """Where no lbd is there to start them again, clients are refused; else they wait; the first that is back serves."""
    lbd = lab.lbd(web("8081-8082", worker="backoff 300ms 300ms;"))
    lbd.wait_up(2)
    pids = lbd.pids()
    if lbd_state == "dead":
        lbd.kill()
    else:
        lbd.signal(signal.SIGSTOP)
    for pid in pids.values():
        kill_and_wait(pid)
    if lbd_state == "dead":
        with pytest.raises(ConnectionRefusedError):
            lab.get()
        lbd = lbd.restart()
    else:
        with pytest.raises(TimeoutError):
            Connection(lab.client, HOST4, 80, timeout=1)
        held = lab.load("burst", count=3, timeout=100)
        lbd.signal(signal.SIGCONT)
        assert [r.outcome for r in held.finish()] == ["ok"] * 3
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 10)


@pytest.mark.parametrize("lbd_is", ["the first", "a later one"])
def test_foreign_listener_that_was_there_before(lab, lbd_is):
    """The kernel did not see it open and tells nothing of its end: its process does."""
    app = lab.app(8081)
    text = "pool web { backend 127.0.0.1:8081; } service web { listen 0.0.0.0:80; pool web; }"
    lbd = lab.lbd(text, arguments=["-v"])
    lbd.wait_up(1)
    if lbd_is == "a later one":
        lbd.kill()
        lbd = lbd.restart(arguments=["-v"])
        lbd.wait_up(1)
    app.kill()
    lbd.wait_output("^127.0.0.1:8081: up -> down")
    lab.app(8081)
    lbd.wait_output("^127.0.0.1:8081: down -> up")
    assert lab.get().worker == "8081"


def test_foreign_listener_of_several_processes(lab):
    """It stays up while one of them is left."""
    program = (
        "import os, signal, socket, sys\n"
        "s = socket.create_server(('127.0.0.1', 8081)); pid = os.fork()\n"
        "print(pid, flush=True) if pid else None\n"
        "while True: s.accept()\n"
    )
    parent = lab.process("/usr/bin/python3", "-c", program)
    child = int(parent.wait_output(r"^\d+$").group())
    lbd = lab.lbd(
        "pool web { backend 127.0.0.1:8081; } service web { listen 0.0.0.0:80; pool web; }",
        arguments=["-v"],
    )
    lbd.wait_up(1)
    parent.kill()
    assert lbd.backend("127.0.0.1:8081")["state"] == "up"
    kill_and_wait(child)
    lbd.wait_output("^127.0.0.1:8081: up -> down")


def test_lost_events(lab):
    """More than there is room for while lbd stands still: it looks instead."""
    lbd = lab.lbd(
        "pool web { backend 127.0.0.1:8081; } service web { listen 0.0.0.0:80; pool web; }",
        arguments=["-v"],
    )
    lbd.signal(signal.SIGSTOP)
    program = (
        "import socket, time\n"
        "for n in range(2000): socket.create_server(('127.0.0.1', 8081)).close()\n"
        "s = socket.create_server(('127.0.0.1', 8081)); print('open', flush=True)\n"
        "while True: time.sleep(1000)\n"
    )
    lab.process("/usr/bin/python3", "-c", program).wait_output("open")
    lbd.signal(signal.SIGCONT)
    last = r"127.0.0.1:8081: (\w+ -> \w+)"
    wait_until(lambda: re.findall(last, lbd.output())[-1:] == ["down -> up"], "it is up in the end")
    assert lbd.counters()["track_event_lost"] > 0


def crashes_told(lbd):
    return [l for l in lbd.output().splitlines() if "has ended while no lbd was there" in l]


def restarts(lbd):
    return [w["restarts"] for w in lbd.workers().values()]


def test_a_crash_while_no_lbd_is_there(lab):
    """Told and counted once; not of one that had been told to end."""
    lbd = lab.lbd(web("8081-8083", pool="drain_timeout 1h;"))
    lbd.wait_up(3)
    pids = lbd.pids()
    held = next(c for c in (lab.hold() for _ in range(7)) if c.worker == "8083")
    lab.process(*lbd.ctl_command("worker", "stop", "web:8083"))  # it waits for the end
    lbd.wait_worker("web:8083", "draining")
    lbd.kill()
    kill_and_wait(pids["web:8081"])
    kill_and_wait(pids["web:8083"])
    held.close()
    again = lbd.restart()
    again.wait_state("127.0.0.1:8081", "up")
    again.wait_worker("web:8083", "stopped")
    assert restarts(again) == [1, 0, 0]
    (line,) = crashes_told(again)
    # How, only where nobody has reaped it.
    assert re.fullmatch(
        r"web:8081: its process \(pid %d\) has ended while no lbd was there"
        r"( \(ended by SIGKILL\))?; started again" % pids["web:8081"],
        line,
    )
    again.kill()
    third = again.restart()
    assert crashes_told(third) == [] and restarts(third) == [1, 0, 0]


def test_a_crash_while_lbd_is_replaced(lab, under_strace):
    """Its own child: how it has ended is known."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    trace = lab.trace(lbd, "execve", stop=True)
    reexec = lab.process(*lbd.ctl_command("reexec"))
    wait_stopped(trace.calls)
    kill_and_wait(pids["web:8081"])
    lbd.signal(signal.SIGCONT)
    assert reexec.wait() == 0, reexec.output()
    lbd.wait_up(2)
    assert lbd.pids()["web:8082"] == pids["web:8082"] and restarts(lbd) == [1, 0]
    (line,) = crashes_told(lbd)
    assert line.endswith(
        "(pid %d) has ended while no lbd was there (ended by SIGKILL); started again"
        % pids["web:8081"]
    )
