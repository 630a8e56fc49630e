# SPDX-License-Identifier: Apache-2.0
"""Rolling restart: one worker after the other, drained first, and an end at the first that fails."""

import threading
import time

import pytest
from lab import HERE, Refused, alive, wait_until, web

ALL = {"web:8081", "web:8082", "web:8083", "web:8084"}
# Blocking handlers, mean 19.5 ms: about 60 % of what four workers can do at 120 a second.
BLOCKING = ["/block?s=0.01@19", "/block?s=0.2@1"]


def percentile(values, share):
    return sorted(values)[int(len(values) * share)]


def test_roll_under_load(lab):
    lbd = lab.lbd(web())
    lbd.wait_up(4)
    pids = lbd.pids()
    load = lab.load(rate=120, path=BLOCKING, poisson=True)
    load.wait_count(300)
    begin = time.monotonic()
    lbd.ctl("roll", "web", "wait", timeout=120)
    end = time.monotonic()
    now = lbd.pids()
    assert set(lbd.states().values()) == {"up"}
    assert set(now) == ALL and not set(now.values()) & set(pids.values())
    load.wait_count(50)
    records = load.stop()
    assert {r.outcome for r in records} == {"ok"}
    assert {r.pid for r in records} == set(now.values()) | set(pids.values())
    # Where the clients themselves come late there is no CPU left, and the time says nothing of lbd.
    during = [r for r in records if begin <= r.start <= end]
    p99 = percentile([r.latency for r in during], 0.99)
    late = percentile([r.opened - r.start for r in during], 0.99)
    print("p99 %.0f ms, clients late by %.0f ms" % (1000 * p99, 1000 * late))
    assert p99 < 1 or late > 0.3


def test_one_at_a_time(lab):
    lbd = lab.lbd(web(words="--delay-listen=0.3"))
    lbd.wait_up(4)
    seen = set()
    done = threading.Event()

    def watch():
        while not done.is_set():
            seen.add(sum(state != "up" for state in lbd.states().values()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        lbd.ctl("roll", "web", "wait", timeout=120)
    finally:
        done.set()
        watcher.join()
    assert seen == {0, 1}


def test_two_at_a_time(lab):
    lbd = lab.lbd(web(words="--delay-listen=0.3", pool="roll_parallel 2;"))
    lbd.wait_up(4)
    pids = lbd.pids()
    seen = set()
    done = threading.Event()

    def watch():
        while not done.is_set():
            seen.add(sum(state != "up" for state in lbd.states().values()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        lbd.ctl("roll", "web", "wait", timeout=120)
    finally:
        done.set()
        watcher.join()
    assert max(seen) == 2
    assert not set(lbd.pids().values()) & set(pids.values())


def version_wrapper(lab):
    """A command whose program can be changed on disk, as a deployment does it."""
    program = lab.path / "serve"
    program.write_text(
        '#!/bin/sh\nexec /usr/bin/python3 %s/workers/app.py --version=1 "$@"\n' % HERE
    )
    program.chmod(0o755)
    return program


def configuration(program, extra=""):
    return (
        'attach eth0; pool web { worker { command "%s --port=$port"; ports 8081-8084; %s } }'
        "service web { listen 0.0.0.0:80; pool web; }" % (program, extra)
    )


def test_new_version_is_rolled_out(lab):
    program = version_wrapper(lab)
    lbd = lab.lbd(configuration(program))
    lbd.wait_up(4)
    program.write_text(program.read_text().replace("--version=1", "--version=2"))
    lbd.ctl("roll", "web", "wait", timeout=120)
    assert {lab.get().version for _ in range(12)} == {"2"}


@pytest.mark.parametrize("failure", ["never listens", "exits"])
def test_version_that_is_never_ready(lab, failure):
    program = version_wrapper(lab)
    lbd = lab.lbd(configuration(program, "start_timeout 8s; start_retries 2; backoff 50ms 50ms;"))
    lbd.wait_up(4)
    pids = lbd.pids()
    load = lab.load(rate=60)
    bad = "echo migration 7 is missing\n"
    bad += "exit 1\n" if failure == "exits" else "exec sleep 1000\n"
    program.write_text("#!/bin/sh\n" + bad)
    with pytest.raises(Refused) as refused:
        lbd.ctl("roll", "web", "wait", timeout=120)
    said = refused.value.text
    assert "web:8081" in said, said
    assert "migration 7 is missing" in said, said
    now = lbd.pids()
    assert {n: p for n, p in now.items() if n != "web:8081"} == {
        n: p for n, p in pids.items() if n != "web:8081"
    }
    lab.expect_workers({"8082", "8083", "8084"}, 24)
    assert {r.outcome for r in load.stop()} == {"ok"}


def test_open_connections_get_their_time(lab):
    """A long request in each worker is answered by the process that took it."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = set(lbd.pids().values())
    held = lab.load("burst", count=4, path="/sleep?s=2")
    wait_until(lambda: sum(lbd.active().values()) == 4, lbd.active)
    lbd.ctl("roll", "web", "wait", timeout=120)
    records = held.finish()
    assert [r.outcome for r in records] == ["ok"] * 4
    assert {r.pid for r in records} == pids


def test_deadline_ends_what_stays(lab):
    lbd = lab.lbd(web("8081-8082", pool="drain_timeout 500ms;"))
    lbd.wait_up(2)
    polls = [lab.poll() for _ in range(2)]
    lbd.ctl("roll", "web", "wait", timeout=120)
    assert [p.wait_end() for p in polls] == ["reset"] * 2 or all(p.wait_end() for p in polls)
    lab.expect_workers({"8081", "8082"}, 6)


def test_recycled_by_age(lab):
    lbd = lab.lbd(web("8081-8082", worker="recycle age 3s;"))
    lbd.wait_up(2)
    pids = lbd.pids()
    load = lab.load(rate=40)
    wait_until(
        lambda: not set(lbd.pids().values()) & set(pids.values())
        and len(set(lbd.pids().values()) - {0}) == 2
    )
    lbd.wait_up(2)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert not any(alive(p) for p in pids.values())


def held_up(lab, lbd):
    """A roll in another thread, whose first worker is kept draining by an open connection."""
    held = [lab.hold() for _ in range(3)]
    said = []

    def roll():
        try:
            said.append(lbd.ctl("roll", "web", "wait", timeout=120))
        except Refused as refused:
            said.append(refused.text)

    thread = threading.Thread(target=roll)
    thread.start()
    lbd.wait_worker("web:8081", "draining")
    return {c.worker: c for c in held}, thread, said


def test_worker_stopped_meanwhile_ends_it(lab):
    lbd = lab.lbd(web("8081-8083", pool="drain_timeout 5s;"))
    lbd.wait_up(3)
    pids = lbd.pids()
    _, thread, said = held_up(lab, lbd)
    lbd.ctl("worker", "stop", "web:8081")
    thread.join(60)
    assert "web:8081" in said[0] and "stopped" in said[0], said
    lbd.wait_worker("web:8081", "stopped")
    assert {n: p for n, p in lbd.pids().items() if n != "web:8081"} == {
        n: p for n, p in pids.items() if n != "web:8081"
    }
    lbd.ctl("worker", "start", "web:8081")
    lbd.wait_up(3)


def test_worker_stopped_before_its_turn_stays_so(lab):
    lbd = lab.lbd(web("8081-8083"))
    lbd.wait_up(3)
    pids = lbd.pids()
    held, thread, said = held_up(lab, lbd)
    held["8083"].close()
    lbd.ctl("worker", "stop", "web:8083")
    lbd.wait_worker("web:8083", "stopped")
    for connection in held.values():
        connection.close()
    thread.join(60)
    assert said and "did not" not in said[0], said
    now = lbd.pids()
    assert now["web:8083"] == 0 and lbd.workers()["web:8083"]["state"] == "stopped"
    assert now["web:8082"] not in (0, pids["web:8082"])


@pytest.mark.parametrize("how", ["shutdown", "reexec"])
def test_lbd_leaves_in_the_middle(lab, how):
    """The client hears of it; workers that had no turn are as they were."""
    lbd = lab.lbd(web("8081-8083"))
    lbd.wait_up(3)
    pids = lbd.pids()
    held, thread, _ = held_up(lab, lbd)
    lbd.notified = ""
    lbd.ctl(how)
    thread.join(60)
    assert not thread.is_alive()
    if how == "shutdown":
        assert lbd.wait() == 0
        return
    lbd.wait_ready()
    for connection in held.values():
        connection.close()
    lbd.wait_up(3)
    assert {n: p for n, p in lbd.pids().items() if n != "web:8081"} == {
        n: p for n, p in pids.items() if n != "web:8081"
    }
