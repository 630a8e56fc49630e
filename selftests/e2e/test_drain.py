# SPDX-License-Identifier: Apache-2.0
"""Drain: no new connection from that instant, the open ones at their own pace, exact counts."""

import subprocess
import time

import pytest
from lab import kill_and_wait, slow_end, wait_equal, wait_until, web

PORTS = [8081, 8082, 8083, 8084]


def by_hand(lab, pool=""):
    lines = "".join("backend 127.0.0.1:%d;" % p for p in PORTS)
    lbd = lab.lbd(
        "attach eth0; pool web { %s %s } service web { listen 0.0.0.0:80; pool web; }"
        % (lines, pool)
    )
    apps = lab.apps(PORTS)
    lbd.wait_up(4)
    return lbd, dict(zip(map(str, PORTS), apps))


def tally(held):
    count = dict.fromkeys(map(str, PORTS), 0)
    for connection in held:
        count[connection.worker] += 1
    return count


def test_active_count_is_exact(lab):
    lbd, _ = by_hand(lab)
    held = []
    for _ in range(12):
        held.append(lab.hold())
        wait_equal(lbd.active, tally(held), "active")
    assert set(tally(held).values()) == {3}  # least_load looks at open connections
    while held:
        held.pop(5 % len(held)).close()
        wait_equal(lbd.active, tally(held), "active")
    assert sum(b["total"] for b in lbd.pool().values()) == 12


def test_drain_and_undrain(lab):
    lbd, _ = by_hand(lab)
    poll = lab.poll()  # of one worker; another one is drained
    held = [lab.hold() for _ in range(11)]
    drained = next(c.worker for c in held if c.worker != poll.worker)
    address = "127.0.0.1:" + drained
    mine = [c for c in held if c.worker == drained]
    assert len(mine) == 3
    load = lab.load(rate=100)
    load.wait_count(50)

    lbd.ctl("pool", "drain", "web", address)
    instant = time.monotonic()
    assert lbd.backend(address)["state"] == "draining"
    load.wait_count(100)
    assert drained not in lab.workers_seen(20)

    # Open connections go on being served, and leave when their clients do.
    for left in (3, 2, 1):
        wait_equal(lambda: lbd.backend(address)["active"], left, address)
        assert lbd.backend(address)["state"] == "draining"
        assert mine[-1].get().worker == drained
        mine.pop().close()
    lbd.wait_state(address, "drained")
    assert lbd.backend(address)["active"] == 0
    assert poll.is_open()

    asked = time.monotonic()
    lbd.ctl("pool", "undrain", "web", address)
    lbd.wait_state(address, "up")
    back = time.monotonic()
    load.wait_count(100)
    records = load.stop()
    assert {r.outcome for r in records} == {"ok"}
    assert not [r for r in records if r.worker == drained and instant < r.opened and r.connected < asked]
    assert [r for r in records if r.worker == drained and r.opened > back]
    lab_release(lab, poll)


def lab_release(lab, poll):
    """Ends the long poll in the ordinary way: it was never disturbed."""
    assert poll.is_open()
    lab.get("/release", host="127.0.0.1", port=int(poll.worker), namespace=lab.host)
    assert poll.finish()


def test_timeout_ends_the_rest(lab):
    lbd, _ = by_hand(lab)
    poll = lab.poll()
    held = [lab.hold() for _ in range(11)]
    drained = next(c.worker for c in held if c.worker != poll.worker)
    address = "127.0.0.1:" + drained
    said = lbd.ctl("pool", "drain", "web", address, "timeout", "1s", "wait")
    counted = " is drained: of 3 connections 0 ended by themselves, 3 were ended at the timeout\n"
    assert said == address + counted
    assert lbd.backend(address)["state"] == "drained"
    assert lbd.backend(address)["active"] == 0
    assert [c.wait_end() for c in held if c.worker == drained] == ["reset"] * 3
    others = [c for c in held if c.worker != drained]
    assert all(c.is_open() and c.get().worker == c.worker for c in others)
    lab_release(lab, poll)


@pytest.mark.parametrize("end", ["", "kill"])
def test_own_check_is_no_client(lab, end):
    """Slow, and one after the other: mostly one is under way.  It is not waited for, not ended, and does not fail by it."""
    check = "health { http /sleep?s=0.5; interval 100ms; timeout 10s; rise 1; fall 1; }"
    lbd = lab.lbd(web("8081-8082", pool=check))
    lbd.wait_up(2)
    said = ""
    for _ in range(6):
        drained = lbd.ctl("pool", "drain", "web", "127.0.0.1:8081", "timeout", "1ms", "wait")
        assert drained == "web:8081 is drained: none of its connections is open\n"
        if end:
            lbd.kill()
            said += lbd.output()
            lbd = lbd.restart()
            lbd.wait_state("127.0.0.1:8081", "drained")
        lbd.ctl("pool", "undrain", "web", "127.0.0.1:8081")
        lbd.wait_up(2)
    assert "drain deadline" not in said + lbd.output() and "check fails" not in said + lbd.output()


def test_remove_drains_first(lab):
    lbd, _ = by_hand(lab, "drain_timeout 20s;")
    held = lab.hold()
    address = "127.0.0.1:" + held.worker
    lbd.ctl("pool", "remove", "web", address)
    assert held.worker not in lab.workers_seen(12)
    assert held.get().worker == held.worker
    held.close()
    wait_until(lambda: address not in lbd.pool(), lbd.pool)


@pytest.mark.parametrize("what", ["backend", "pool"])
def test_removed_one_is_listed(lab, what):
    """Until its connections have ended, as workers that leave are: they are somebody's until then."""
    lbd, _ = by_hand(lab, "drain_timeout 1h;")
    held = lab.hold()
    address = "127.0.0.1:" + held.worker
    if what == "pool":
        lbd.ctl("service", "remove", "web")
        removed = lbd.ctl("pool", "remove", "web")
    else:
        removed = lbd.ctl("pool", "remove", "web", address)
    assert removed == "removed, but 1 connection is open yet, for 3600.0 s at most\n"
    (pool,) = lbd.json("pool")
    (backend,) = pool["leaving"]
    assert (backend["address"], backend["state"], backend["active"]) == (address, "draining", 1), backend
    assert "gone from the configuration" in backend["note"]
    assert pool.get("gone", False) == (what == "pool")
    assert address in lbd.ctl("pool") and address not in lbd.pool(None if what == "backend" else "web")
    held.close()
    wait_until(lambda: not [p for p in lbd.json("pool") if "leaving" in p], lbd.output)


@pytest.mark.parametrize("how", ["remove", "reload"])
def test_removed_one_has_the_drain_timeout(lab, how):
    lbd, _ = by_hand(lab, "drain_timeout 500ms;")
    held = lab.hold()
    address = "127.0.0.1:" + held.worker
    if how == "remove":
        lbd.ctl("pool", "remove", "web", address)
    else:
        lbd.conf.write_text(lbd.conf.read_text().replace("backend %s;" % address, ""))
        lbd.ctl("reload")
    assert held.wait_end() == "reset"
    wait_until(lambda: "drain deadline: ended 1 of 1" in lbd.output(), lbd.output)


def test_crashed_listener_comes_back_on_its_own(lab):
    lbd, apps = by_hand(lab)
    apps["8081"].kill()
    lbd.wait_state("127.0.0.1:8081", "down")
    lab.expect_workers({"8082", "8083", "8084"}, 12)
    lab.app(8081)
    lbd.wait_state("127.0.0.1:8081", "up")
    lab.expect_workers({"8081", "8082", "8083", "8084"}, 12)


def test_configured_as_drained(lab):
    lbd = lab.lbd(
        "pool web { backend 127.0.0.1:8081 drain; backend 127.0.0.1:8082; }"
        "service web { listen 0.0.0.0:80; pool web; }"
    )
    lab.apps([8081, 8082])
    lbd.wait_state("127.0.0.1:8082", "up")
    lab.expect_workers({"8082"}, 6)
    lbd.ctl("pool", "undrain", "web", "127.0.0.1:8081")
    lbd.wait_state("127.0.0.1:8081", "up")
    lab.expect_workers({"8081", "8082"}, 6)


@pytest.mark.parametrize("state", ["down", "up"])
def test_drain_of_an_idle_backend_is_done_at_once(lab, state):
    lbd = lab.lbd(
        "pool web { backend 127.0.0.1:8081; } service web { listen 0.0.0.0:80; pool web; }"
    )
    if state == "up":
        lab.app(8081)
        lbd.wait_up(1)
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8081", "wait")
    assert lbd.backend("127.0.0.1:8081")["state"] == "drained"
    with pytest.raises(ConnectionRefusedError):
        lab.get()


def test_drained_worker(lab):
    """Of a pool whose workers have no line of their own: it stays drained, whatever else changes."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8081", "wait")
    lbd.ctl("pool", "add", "web", "127.0.0.1:8083")
    lbd.ctl("reload")
    assert lbd.backend("127.0.0.1:8081")["state"] == "drained"
    assert lab.workers_seen(8) == {"8082": 8}
    lbd.kill()
    again = lbd.restart()
    again.wait_state("127.0.0.1:8081", "drained")
    again.wait_state("127.0.0.1:8082", "up")
    assert lab.workers_seen(8) == {"8082": 8}
    again.ctl("pool", "undrain", "web", "127.0.0.1:8081")
    again.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 8)
    assert again.pids() == pids


def expect_a_drained_successor(lab, lbd, first):
    """Of the drained one of two: another process, which nobody is led to."""
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, first), lbd.pids)
    lbd.wait_state("127.0.0.1:8081", "drained")
    assert set(lab.workers_seen(10)) == {"8082"}


def test_a_drained_worker_that_ends_stays_drained(lab):
    """Its successor is as much out of service, says so, and nobody waits for it to get up."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    lbd.ctl("pool", "drain", "127.0.0.1:8081", "wait")
    first = lbd.pids()["web:8081"]
    kill_and_wait(first)
    expect_a_drained_successor(lab, lbd, first)
    assert "web:8081: drained" in lbd.refused("worker", "start", "web:8081")
    assert set(lab.workers_seen(10)) == {"8082"}
    lbd.ctl("pool", "undrain", "127.0.0.1:8081")
    lbd.wait_up(2)


def test_a_drained_worker_that_ends_without_lbd_stays_drained(lab):
    """What was drained by command is out of service whatever dies, and in whatever order."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    lbd.ctl("pool", "drain", "127.0.0.1:8081", "wait")
    first = lbd.pids()["web:8081"]
    lbd.kill()
    kill_and_wait(first)
    again = lbd.restart()
    again.wait_state("127.0.0.1:8082", "up")
    wait_until(lambda: again.pids()["web:8081"] not in (0, first), again.pids)
    again.wait_state("127.0.0.1:8081", "drained")
    assert set(lab.workers_seen(10)) == {"8082"}
    again.ctl("pool", "undrain", "127.0.0.1:8081")
    again.wait_up(2)


def test_drained_while_it_stops_to_be_restarted(lab):
    """The answer holds when lbd is killed right after it: what was asked for is written down by then."""
    lbd = lab.lbd(web("8081-8082", worker=slow_end(lab)))
    lbd.wait_up(2)
    ctl = lbd.ctl_command("worker", "restart", "web:8081")
    with subprocess.Popen(ctl, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        lbd.wait_worker("web:8081", "stopping")
        lbd.ctl("pool", "drain", "127.0.0.1:8081")
        lbd.kill()
    (lab.path / "may-end").touch()
    again = lbd.restart()
    again.wait_state("127.0.0.1:8081", "drained")
    again.wait_state("127.0.0.1:8082", "up")
    assert set(lab.workers_seen(10)) == {"8082"}


def test_drained_while_it_stops_and_undrained(lab):
    """The restart goes on, of one that is drained as well; it is not left stopped, for undrain to forget."""
    lbd = lab.lbd(web("8081-8082", worker=slow_end(lab)))
    lbd.wait_up(2)
    first = lbd.pids()["web:8081"]
    ctl = lbd.ctl_command("worker", "restart", "web:8081")
    with subprocess.Popen(ctl, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as restart:
        lbd.wait_worker("web:8081", "stopping")
        lbd.ctl("pool", "drain", "127.0.0.1:8081")
        (lab.path / "may-end").touch()
        assert "drained as before, until `lbctl pool undrain`" in restart.communicate()[0]
    expect_a_drained_successor(lab, lbd, first)
    lbd.ctl("pool", "undrain", "127.0.0.1:8081")
    lbd.wait_up(2)


def restarted(lab, lbd):
    said = lbd.ctl("worker", "restart", "web:8081")
    assert said == (
        "web:8081 has been restarted; drained as before, until `lbctl pool undrain`: web:8081\n"
    )
    return lbd


def restarted_with_all(lab, lbd):
    said = lbd.ctl("worker", "restart", "web:*", "force")
    assert "workers have been restarted; drained as before" in said and "web:8082" not in said
    return lbd


def stopped_and_started(lab, lbd):
    lbd.ctl("worker", "stop", "web:8081")
    assert "undrain" in lbd.workers()["web:8081"]["note"]
    assert "web:8081: drain" in lbd.refused("worker", "start", "web:8081")
    return lbd


def stopped_and_started_by_another_lbd(lab, lbd):
    lbd.ctl("worker", "stop", "web:8081")
    lbd.kill()
    again = lbd.restart()
    again.wait_worker("web:8082", "up")
    assert again.workers()["web:8081"]["state"] == "stopped"
    assert "web:8081: drain" in again.refused("worker", "start", "web:8081")
    return again


def restarted_by_another_lbd(lab, lbd):
    """It dies while the old process ends."""
    ctl = lbd.ctl_command("worker", "restart", "web:8081")
    with subprocess.Popen(ctl, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        lbd.wait_worker("web:8081", "stopping")
        lbd.kill()
    (lab.path / "may-end").touch()
    again = lbd.restart()
    again.wait_worker("web:8082", "up")
    return again


def ended_and_given_up(lab, lbd):
    """What has failed too often is started by hand, and does not serve either."""
    (lab.path / "fails").touch()
    kill_and_wait(lbd.pids()["web:8081"])
    lbd.wait_worker("web:8081", "fatal")
    (lab.path / "fails").unlink()
    lbd.refused("worker", "start", "web:8081")
    return lbd


@pytest.mark.parametrize(
    "how",
    [
        restarted,
        restarted_with_all,
        stopped_and_started,
        stopped_and_started_by_another_lbd,
        restarted_by_another_lbd,
        ended_and_given_up,
    ],
)
def test_only_undrain_ends_it(lab, how):
    """Whatever process a drained worker has by which command, it is out of service."""
    settings = "start_retries 0; backoff 20ms 20ms; stable 0ms;"
    settings += 'before_start "/bin/sh -c \'test ! -e %s/fails\'";' % lab.path
    if how is restarted_by_another_lbd:
        settings += slow_end(lab)
    lbd = lab.lbd(web("8081-8082", worker=settings))
    lbd.wait_up(2)
    lbd.ctl("pool", "drain", "127.0.0.1:8081", "wait")
    first = lbd.pids()["web:8081"]
    lbd = how(lab, lbd)
    (lab.path / "may-end").touch()
    expect_a_drained_successor(lab, lbd, first)
    lbd.ctl("pool", "undrain", "127.0.0.1:8081")
    lbd.wait_up(2)


def test_drained_while_it_is_stopped(lab):
    """It stays stopped, also for the next lbd; and undrained so, it serves once it is started."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    lbd.ctl("worker", "stop", "web:8081")
    assert "from its start on" in lbd.ctl("pool", "drain", "127.0.0.1:8081")
    lbd.kill()
    again = lbd.restart()
    again.wait_worker("web:8082", "up")
    assert again.workers()["web:8081"]["state"] == "stopped"
    again.refused("worker", "start", "web:8081")
    again.wait_state("127.0.0.1:8081", "drained")
    again.ctl("worker", "stop", "web:8081")
    assert again.ctl("pool", "undrain", "127.0.0.1:8081") == "stopped\n"
    again.ctl("worker", "start", "web:8081")
    again.wait_up(2)


WARNING = "warning: pool web: NOBODY SERVES it now"
COMMANDS = {
    "drain": ("pool", "drain", "web", "127.0.0.1:8081"),
    "remove": ("pool", "remove", "web", "127.0.0.1:8081"),
    "stop": ("worker", "stop", "web:*"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_last_one_taken_is_told(lab, command):
    """Refused clients are what was asked for, perhaps, but not without a word: nor later on."""
    if command == "remove":
        lbd = lab.lbd(
            "pool web { backend 127.0.0.1:8081; } service web { listen 0.0.0.0:80; pool web; }"
        )
        lab.app(8081)
    else:
        lbd = lab.lbd(web("8081-8082" if command == "drain" else "8081"))
    lbd.wait_up()
    assert lbd.json("status")["nobody_serves"] == []
    if command == "drain":
        assert "NOBODY" not in lbd.ctl("pool", "drain", "127.0.0.1:8082")
    assert "NOBODY" not in lbd.ctl("pool") + lbd.ctl("status")
    said = lbd.ctl(*COMMANDS[command], check=False)
    assert WARNING in said.stdout + said.stderr and said.returncode == 0, said
    assert "pools       NOBODY SERVES: web; clients are refused" in lbd.ctl("status")
    assert "web, least_load" in lbd.ctl("pool") and "NOBODY SERVES" in lbd.ctl("pool")
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    # Said once: it was so before.
    if command == "drain":
        said = lbd.ctl(*COMMANDS[command], check=False)
        assert "NOBODY" not in said.stdout + said.stderr
        lbd.ctl("pool", "undrain", "127.0.0.1:8081")
        lbd.wait_state("127.0.0.1:8081", "up")
        assert lbd.json("status")["nobody_serves"] == []


@pytest.mark.parametrize("verb", ("drain", "undrain", "remove"))
def test_a_verb_that_fails_fails_whole(lab, verb):
    """What cannot be checked (no socket to list listeners by) is not put in force, and leaves nothing behind."""
    lbd, _ = by_hand(lab, "drain_timeout 500ms;")
    address = "127.0.0.1:8081"
    if verb == "undrain":
        lbd.ctl("pool", "drain", "web", address, "wait")
    before = lbd.states()
    words = ("pool", verb, "web", address) + (() if verb == "undrain" else ("timeout", "1h"))
    no_sockets = lab.trace(lbd, "socket", "ENFILE")
    assert "cannot list listening sockets" in lbd.refused(*words)
    no_sockets.stop()
    wait_equal(lbd.states, before)
    if verb == "remove":
        held = [lab.hold() for _ in PORTS]
        lbd.ctl("pool", "remove", "web", address, "wait")  # by its pool's time, not the one that was asked for
        assert sum(not c.is_open() for c in held) == 1
        return
    lbd.kill()
    lbd = lbd.restart()
    wait_equal(lbd.states, before)


def test_a_kernel_side_that_cannot_be_reached(lab):
    """The command is told of it; no other backend is taken for one that listens no more, and it is made good."""
    lbd, _ = by_hand(lab)
    trace = lab.trace(lbd, "bpf", error="ENOMEM")
    said = lbd.ctl("pool", "drain", "web", "127.0.0.1:8081", check=False)
    assert "cannot write it to the kernel side: Cannot allocate memory; trying again" in said.stderr
    states = {a: b["state"] for a, b in lbd.pool().items()}
    assert states.pop("127.0.0.1:8081") in ("draining", "drained")
    assert set(states.values()) == {"up"}
    trace.stop()
    lbd.wait_output("pool web: written to the kernel side")
    lab.expect_workers({"8082", "8083", "8084"}, 30)
