# SPDX-License-Identifier: Apache-2.0
"""lbd itself: its log, the limits it wants, and being the first process of a container."""

import os
import pathlib
import re
import signal

import pytest
from lab import alive, bpftool, pool, wait_until, web


def test_log_is_opened_anew(lab):
    """As logrotate asks for it: moved away, then SIGUSR1."""
    log, moved = lab.path / "own.log", lab.path / "moved.log"
    lbd = lab.lbd("log %s;" % log)
    wait_until(lambda: " info ready" in log.read_text(), log.read_text)
    log.rename(moved)
    lbd.signal(signal.SIGUSR1)
    wait_until(log.exists)
    lbd.signal(signal.SIGHUP)
    wait_until(lambda: " info reloaded" in log.read_text(), log.read_text)
    assert "reloaded" not in moved.read_text()


def test_log_is_rotated(lab):
    log = lab.path / "own.log"
    lbd = lab.lbd("log %s size 1k files 2;" % log)
    oldest = lab.path / "own.log.2"

    def again():
        lbd.signal(signal.SIGHUP)
        return oldest.exists()

    wait_until(again)
    wait_until(lambda: (again(), (lab.path / "own.log.1").stat().st_ino)[1])
    assert oldest.stat().st_size <= 1200
    assert not (lab.path / "own.log.3").exists()


LOW = [
    ("min_files 2000000000;", [], ["min_files 2000000000", "LimitNOFILE"]),
    (
        "min_processes 5000;",
        ["prlimit", "--nproc=1000:1000", "setpriv", "--bounding-set=-sys_resource"],
        ["min_processes 5000", "1000"],
    ),
]


@pytest.mark.parametrize("text, wrap, words", LOW, ids=["files", "processes"])
def test_limits_that_are_too_low(lab, text, wrap, words):
    lbd = lab.lbd(text, ready=False, wrap=wrap)
    assert lbd.wait() == 1
    for word in words:
        assert word in lbd.output().splitlines()[-1], lbd.output()
    assert not pathlib.Path("/run/lbd", lbd.instance, "control").exists()


def test_first_process_of_a_container(lab):
    """It inherits orphans, and reaps them; its own children's exits are not taken from it."""
    command = lab.script(
        "for n in $(seq 300); do (setsid sh -c 'exit 3' &); done\n"
        "echo started >> %s/starts; exec sleep 1000\n" % lab.path
    )
    failing = pool("sh -c 'exit 7'", "restart never;", "8091").replace("web", "once")
    lbd = lab.lbd(
        pool(command) + failing.replace(":80;", ":81;"),
        wrap=["unshare", "--pid", "--fork", "--mount-proc"],
    )
    children = pathlib.Path("/proc/%d/task/%d/children" % (lbd.pid, lbd.pid))
    inner = int(children.read_text())
    assert "NSpid:\t%d\t1\n" % inner in pathlib.Path("/proc/%d/status" % inner).read_text()
    wait_until((lab.path / "starts").exists)

    def zombies():
        text = pathlib.Path("/proc/%d/task/%d/children" % (inner, inner)).read_text()
        found = []
        for pid in text.split():
            try:
                stat = pathlib.Path("/proc/%s/stat" % pid).read_text()
            except OSError:
                continue
            if stat.rpartition(")")[2].split()[0] == "Z":
                found.append(pid)
        return found

    wait_until(lambda: not zombies(), zombies)
    lbd.wait_worker("once:8091", "exited")
    assert "code 7" in lbd.workers()["once:8091"]["note"]
    os.kill(inner, signal.SIGTERM)
    assert lbd.wait() == 0


def effective_weights(lbd):
    """Of the first two backends, as the kernel side has them."""
    found = bpftool("map", "dump", "pinned", lbd.pin("maps", "backends"))
    return [e["formatted"]["value"]["weight"] for e in found[:2]]


def test_slow_start(lab):
    """One that comes back gets few connections at first, and its part in the end."""
    lbd = lab.lbd(web("8081-8082", pool="slow_start 8s;"))
    lbd.wait_up(2)
    wait_until(lambda: effective_weights(lbd) == [16, 16], lambda: effective_weights(lbd))
    pid = lbd.pids()["web:8082"]
    lbd.ctl("worker", "restart", "web:8082")
    wait_until(lambda: lbd.pids()["web:8082"] not in (0, pid), lbd.pids)
    lbd.wait_up(2)
    assert effective_weights(lbd)[1] < 16
    share = lab.workers_seen(200).get("8082", 0) / 200
    grown = effective_weights(lbd)[1]
    assert share < grown / (16 + grown) + 0.25, (share, grown)
    wait_until(lambda: effective_weights(lbd) == [16, 16], lambda: effective_weights(lbd))
    assert 50 <= lab.workers_seen(200)["8082"] <= 150


def test_recycled_by_memory(lab):
    """Any Python is larger: each in its turn, none lost."""
    lbd = lab.lbd(web("8081-8082", worker="recycle memory 2m;"))
    lbd.wait_up(2)
    pids = lbd.pids()
    load = lab.load(rate=40)
    wait_until(
        lambda: not set(lbd.pids().values()) & (set(pids.values()) | {0}), lbd.pids, deadline=60
    )
    assert "recycled for its memory" in lbd.output()
    assert {r.outcome for r in load.stop()} == {"ok"}


@pytest.mark.usefixtures("under_strace")
def test_event_loop_that_fails(lab):
    """No orderly end: lbd says so by its exit code, workers serve on, the next lbd takes them back."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    calls = "epoll_wait,epoll_pwait,epoll_pwait2"
    broken = "inject=%s:error=EIO" % calls
    tracer = lab.process("strace", "-e", "trace=" + calls, "-e", broken, "-p", lbd.pid)
    tracer.wait_output("attached")
    lbd.ctl("status", check=False)  # it wakes up
    assert lbd.wait() == 1
    assert "event loop: Input/output error" in lbd.output().splitlines()[-1]
    assert all(alive(p) for p in pids.values())
    lab.expect_workers({"8081", "8082"}, 10)
    again = lbd.restart()
    again.wait_up(2)
    assert again.pids() == pids


def test_foreground_with_a_log(lab):
    """The file is what was asked for; standard error says which, and each line of the file has its time."""
    log = lab.path / "own.log"
    text = web("8081", attach="")
    lbd = lab.lbd("log %s; %s" % (log, text))
    lbd.wait_up(1)
    assert lbd.output().splitlines() == ["the log goes to %s from here on" % log]
    lbd.kill()
    again = lbd.restart()
    again.wait_up(1)
    assert again.output().splitlines() == ["the log goes to %s from here on" % log]
    lines = log.read_text().splitlines()
    assert any("going on with the configuration that was in force" in line for line in lines)
    assert not [
        line for line in lines if not re.match(r"\d{4}-\d\d-\d\dT[0-9:.]{12}\S+ \w+ ", line)
    ]


def test_foreground_with_a_log_that_fails_to_start(lab):
    """Also once the log is open: nobody has to know of the file to learn why."""
    log = lab.path / "own.log"
    lbd = lab.lbd(
        "log %s; service web { listen 0.0.0.0:80; pool web; }"
        "pool web { backend 192.0.2.77:80; }" % log,
        ready=False,
    )
    assert lbd.wait() == 1
    assert "192.0.2.77:80: not an address of this host" in lbd.output()
    assert "192.0.2.77:80: not an address of this host" in log.read_text()
