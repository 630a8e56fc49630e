# SPDX-License-Identifier: Apache-2.0
"""Health checks: marked after `fall` failures, back after `rise`, restarted where asked."""

import os
import pathlib
import signal
import socket

import pytest
from lab import APP, SMALL, alive, bpftool, text_of, wait_equal, wait_until, web

QUICK = "interval 100ms; timeout 20s; rise 2; fall 2;"


def sick(lab, check, ports="8081-8082"):
    """Worker 8081 fails its check while the file sick-8081 is there.  Turns: a check's connection counts too."""
    pool = "scheduler round_robin; health { %s }" % check.replace("PATH", str(lab.path))
    return web(ports, words="--sick=%s/sick-$port" % lab.path, pool=pool)


HTTP, EXEC = "http /health; ", "exec \"sh -c '! test -e PATH/sick-$port'\"; "


@pytest.mark.parametrize("check", [HTTP, EXEC], ids=["http", "exec"])
def test_falls_and_rises(lab, check):
    lbd = lab.lbd(sick(lab, check + QUICK))
    lbd.wait_up(2)
    pids = lbd.pids()
    held = [lab.hold()]
    while {c.get().worker for c in held} != {"8081", "8082"}:  # a check counts as load, too
        held.append(lab.hold())
    (lab.path / "sick-8081").touch()
    lbd.wait_state("127.0.0.1:8081", "down")
    assert lbd.backend("127.0.0.1:8081")["note"]
    assert lab.workers_seen(10) == {"8082": 10}
    assert {c.get().worker for c in held} == {"8081", "8082"}  # open connections stay
    for connection in held:
        connection.close()
    (lab.path / "sick-8081").unlink()
    lbd.wait_state("127.0.0.1:8081", "up")
    lab.expect_workers({"8081", "8082"}, 10)
    assert lbd.pids() == pids


def test_tcp(lab):
    lbd = lab.lbd(sick(lab, "tcp; " + QUICK))
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 10)


def test_no_connection_before_the_first_success(lab):
    (lab.path / "sick-8081").touch()
    lbd = lab.lbd(sick(lab, "http /health; " + QUICK))
    lbd.wait_state("127.0.0.1:8082", "up")
    lab.expect_workers({"8082"}, 10)
    assert lbd.backend("127.0.0.1:8081")["state"] in ("starting", "down")
    (lab.path / "sick-8081").unlink()
    lbd.wait_up(2)


def test_restarted_where_asked(lab):
    lbd = lab.lbd(sick(lab, "http /health; on_failure restart; " + QUICK))
    lbd.wait_up(2)
    pid = lbd.pids()["web:8081"]
    (lab.path / "sick-8081").touch()
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), lbd.pids)
    (lab.path / "sick-8081").unlink()
    lbd.wait_up(2)


def test_outage_takes_one_and_leaves_the_last(lab):
    """The check fails on all: one is restarted, which waits for the end of it, and the last serves on."""
    check = "http /health; on_failure restart; interval 100ms; timeout 20s; rise 1; fall 2;"
    words = "--sick=%s/sick" % lab.path
    lbd = lab.lbd(web("8081-8082", words=words, pool="health { %s }" % check))
    lbd.wait_up(2)
    pids = lbd.pids()
    (lab.path / "sick").touch()
    lbd.wait_output("not restarted yet, since")
    wait_until(lambda: lbd.pids() != pids and 0 not in lbd.pids().values(), lbd.pids)
    during = lbd.pids()
    kept = [name for name in pids if during[name] == pids[name]]
    assert len(kept) == 1, (pids, during)
    taken = next(name for name in pids if name not in kept)
    lbd.wait_output("%s: check fails: 503" % taken)
    lbd.wait_output("ALL CHECKS FAIL")
    assert lab.workers_seen(5) == {kept[0].partition(":")[2]: 5}
    (lab.path / "sick").unlink()
    lbd.wait_up(2)
    assert lbd.pids() == during
    assert {w["restarts"] for w in lbd.workers().values()} == {0, 1}
    assert "hangs" not in lbd.output() and "ended by" not in lbd.output()


def test_restarted_one_after_the_other(lab):
    """Also while the one before waits for its second try after it served: until it is up again."""
    text = sick(lab, "http /health; on_failure restart; " + QUICK, "8081-8083")
    lbd = lab.lbd(text.replace("ports", "stable 1h; backoff 4s 4s; ports"))
    lbd.wait_up(3)
    for count in (1, 2):
        (lab.path / "sick-8081").touch()
        wait_until(lambda: lbd.output().count("web:8081: has ended; started again") == count, lbd.output)
        (lab.path / "sick-8081").unlink()
        if count == 1:
            lbd.wait_up(3)
    (lab.path / "sick-8082").touch()
    lbd.wait_output("web:8082: check: 503, allowed are 200-399: restarted")
    before = lbd.output().partition("web:8082: check: 503, allowed are 200-399: restarted")[0]
    assert before.count("web:8081: check passes") == 3, lbd.output()


def test_not_restarted_once_it_passes(lab):
    """One whose restart was put off, and whose check has passed since, though not `rise` times yet."""
    check = "http /health; on_failure restart; interval 3s; timeout 20s; rise 3; fall 1;"
    lbd = lab.lbd(sick(lab, check, "8081-8083"))
    lbd.wait_up(3)
    pids = lbd.pids()
    (lab.path / "sick-8081").touch()
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pids["web:8081"]), lbd.pids)
    (lab.path / "sick-8082").touch()
    lbd.wait_output("web:8082: check: 503, allowed are 200-399: not restarted yet, since another of its pool")
    (lab.path / "sick-8082").unlink()
    wait_until(lambda: "check: 200" in lbd.backend("127.0.0.1:8082")["note"], lbd.pool)
    (lab.path / "sick-8081").unlink()
    lbd.wait_up(3)
    assert lbd.pids()["web:8082"] == pids["web:8082"], lbd.output()


def test_restarted_later_and_later(lab):
    """A worker whose check fails each time soon after it got ready is given up like one that exits."""
    check = lab.script(
        "[ -e {0}/arm ] || exit 0\n[ -e {0}/was ] && rm {0}/was && exit 1\ntouch {0}/was\n".format(
            lab.path
        ),
        "check",
    ).partition(" ")[0]
    settings = "stable 1h; start_retries 2; backoff 300ms 30s;"
    health = 'health { exec "%s"; on_failure restart; interval 100ms; rise 1; fall 1; }' % check
    lbd = lab.lbd(web("8081", worker=settings, pool=health))
    lbd.wait_up(1)
    (lab.path / "arm").touch()
    lbd.wait_worker("web:8081", "fatal")
    said = lbd.output()
    assert "web:8081: has ended; started again in 300 ms" in said, said
    assert "web:8081: has ended; started again in 600 ms" in said, said
    assert said.count("web:8081: check: exit code 1: restarted") == 3, said
    assert said.count(": check: exit code 1") == 4, said  # each once, and why it was given up
    assert "given up after 3 failures in a row, with start_retries 2: check: exit code 1" in said, said


def test_not_restarted_before_the_first_success(lab):
    looks = lab.path / "looks"
    (lab.path / "sick").touch()
    check = lab.script("echo >>%s\n! [ -e %s/sick ]" % (looks, lab.path), "check").partition(" ")[0]
    health = 'health { exec "%s"; on_failure restart; %s }' % (check, QUICK)
    lbd = lab.lbd(web("8081", pool=health))
    wait_until(lambda: looks.exists() and looks.stat().st_size >= 8, lbd.pool)
    pid = lbd.pids()["web:8081"]
    assert pid and "exit code 1" in lbd.backend("127.0.0.1:8081")["note"]
    (lab.path / "sick").unlink()
    lbd.wait_up(1)
    assert lbd.pids()["web:8081"] == pid and lbd.workers()["web:8081"]["restarts"] == 0


def late(lab, program, check="", ports="8081"):
    """A program's start has a limit: one that shall listen before it is SMALL."""
    limits = "start_timeout 8s; start_retries 0; stop_timeout 30s; restart on_failure; ports"
    return sick(lab, EXEC + check + QUICK, ports).replace("ports", limits).replace(APP, program)


@pytest.mark.parametrize(
    "program, reason",
    [(SMALL, "check: exit code 1"), ("-c 'import time; time.sleep(1000)'", "does not listen on port 8081")],
    ids=["check", "listener"],
)
def test_why_lbd_ended_it(lab, program, reason):
    """What the process made of its stop signal is not the reason."""
    (lab.path / "sick-8081").touch()
    lbd = lab.lbd(late(lab, program, "on_failure restart; "))
    lbd.wait_worker("web:8081", "fatal")
    note = lbd.workers()["web:8081"]["note"]
    assert note.startswith("not ready within 8000 ms: " + reason), note
    assert "SIGKILL" not in lbd.output()


def test_late_for_its_check_is_marked(lab):
    """Kept, out of service, until the check passes; who waits hears of it, and a roll ends there."""
    lbd = lab.lbd(late(lab, SMALL, ports="8081-8082"))
    lbd.wait_up(2)
    (lab.path / "sick-8081").touch()
    lbd.wait_state("127.0.0.1:8081", "down")
    before = lbd.pids()
    said = lbd.ctl("roll", "web", "wait", check=False).stderr
    assert "web:8081 did not get ready: check: exit code 1" in said and "1 of 2" in said, said
    pids = lbd.pids()
    assert pids["web:8082"] == before["web:8082"] and pids["web:8081"] not in (0, before["web:8081"])
    assert lbd.workers()["web:8081"]["state"] == "down"
    said = lbd.ctl("worker", "restart", "web:8081", check=False).stderr
    assert "web:8081: down: check: exit code 1" in said, said
    pids = lbd.pids()
    (lab.path / "sick-8081").unlink()
    lbd.wait_up(2)
    assert lbd.pids() == pids


def test_hung_worker_is_marked(lab):
    """The event loop stands: the check times out."""
    lbd = lab.lbd(sick(lab, "http /health; interval 100ms; timeout 200ms; rise 1; fall 2;"))
    lbd.wait_up(2)
    lab.load("burst", count=1, path="/block?s=3", timeout=20)
    wait_until(lambda: "down" in lbd.states().values(), lbd.states)
    lbd.wait_up(2)


def test_redirect_is_named(lab):
    """A path that redirects is well by default (200-399), and not where 200 is asked for."""
    lbd = lab.lbd(sick(lab, "http /redirect; " + QUICK, "8081"))
    lbd.wait_up(1)
    lbd.config(sick(lab, "http /redirect status 200; " + QUICK, "8081"))
    lbd.ctl("reload")
    lbd.wait_state("127.0.0.1:8081", "down")
    note = lbd.backend("127.0.0.1:8081")["note"]
    assert "302" in note and "/health" in note, note


def stuck(lab, ports, worker="", health=""):
    """Workers with room for four in the queue, in turn: one that accepts nothing is met."""
    lbd = lab.lbd(
        web(
            ports,
            words="--backlog=3",
            worker=worker,
            pool="scheduler round_robin; %s" % health,
        )
    )
    lbd.wait_up()
    pid = lbd.pids()["web:8081"]
    os.kill(pid, signal.SIGSTOP)
    burst = lab.load("burst", count=20, timeout=60)
    lbd.wait_output("web:8081: .*accept queue")
    return lbd, pid, burst


def test_full_queue_is_marked(lab):
    """Passive: no check is configured, the worker accepts nothing."""
    lbd, pid, burst = stuck(lab, "8081-8082")
    lbd.wait_state("127.0.0.1:8081", "down")
    assert "accept queue" in lbd.workers()["web:8081"]["note"]
    assert lab.workers_seen(10) == {"8082": 10}
    os.kill(pid, signal.SIGCONT)
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 10)
    assert {r.outcome for r in burst.finish()} == {"ok"}
    assert lbd.pids()["web:8081"] == pid


def test_full_queue_of_the_last_one(lab):
    """It stays, clients try again; said once."""
    lbd, pid, burst = stuck(lab, "8081")
    assert lbd.workers()["web:8081"]["state"] == "up"
    assert "accept queue" in lbd.workers()["web:8081"]["note"]
    os.kill(pid, signal.SIGCONT)
    lbd.wait_output("web:8081: accepts again")
    assert {r.outcome for r in burst.finish()} == {"ok"}
    assert lbd.output().count("accept queue") == 1
    assert lbd.workers()["web:8081"]["note"] == ""


def test_full_queue_restarts_where_asked(lab):
    health = "health { tcp; interval 1h; rise 1; on_failure restart; }"
    lbd, pid, burst = stuck(lab, "8081-8082", "stop_timeout 200ms;", health)
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), lbd.pids)
    lbd.wait_up(2)
    burst.kill()  # clients whose handshake went with the queue find out late


def fill_events(lab, port):
    """More events than there is room for: each listener is told twice."""
    with lab.host.entered():
        for _ in range(2000):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            listener.close()


def full_is_told(lbd):
    """The kernel side's own mark: it tells once."""
    dump = bpftool("map", "dump", "pinned", lbd.pin("maps", "backends"))
    return any(entry["formatted"]["value"]["queue_full"] for entry in dump)


def test_full_queue_that_could_not_be_told(lab):
    """The event found no room, and there is no other: lbd looks itself."""
    lbd = lab.lbd(
        web("8081-8082", words="--backlog=3", pool="scheduler round_robin;")
        + "pool other { backend 127.0.0.1:8090; }"
    )
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8081"]
    lbd.signal(signal.SIGSTOP)
    try:
        fill_events(lab, 8090)
        os.kill(pid, signal.SIGSTOP)
        burst = lab.load("burst", count=20, timeout=60)
        wait_until(lambda: full_is_told(lbd), "a choice meets the full queue")
    finally:
        lbd.signal(signal.SIGCONT)
    lbd.wait_output("web:8081: .*accept queue")
    assert lbd.counters()["track_event_lost"] > 0
    lbd.wait_state("127.0.0.1:8081", "down")
    os.kill(pid, signal.SIGCONT)
    lbd.wait_up(2, "web")
    assert {r.outcome for r in burst.finish()} == {"ok"}


def test_busy_is_not_stuck(lab):
    """A full queue that moves is load, not a failure."""
    lbd = lab.lbd(web("8081-8082", words="--backlog=3", pool="scheduler round_robin;"))
    lbd.wait_up(2)
    load = lab.load(rate=40, path=["/block?s=0.1"], seconds=12, timeout=60)
    wait_until(lambda: lbd.backend("127.0.0.1:8081")["queue"] == 4, lbd.pool)
    load.finish(120)
    assert "accept queue" not in lbd.output()
    assert set(lbd.states().values()) == {"up"}


def test_backends_by_hand(lab):
    lbd = lab.lbd(
        "pool web { backend 127.0.0.1:8081; backend 127.0.0.1:8082; health { http /health; %s } }"
        "service web { listen 0.0.0.0:80; pool web; }" % QUICK
    )
    lab.app(8081)
    lab.app(8082, "--sick=%s/sick" % lab.path)
    lbd.wait_up(2)
    (lab.path / "sick").touch()
    lbd.wait_state("127.0.0.1:8082", "down")
    lab.expect_workers({"8081"}, 10)
    wait_equal(lambda: lbd.states()["127.0.0.1:8081"], "up")


def test_all_down(lab):
    """A check that fails on all is more likely wrong than all of them: they serve on, and lbd says so."""
    base = web("8081-8082", attach="")
    check = lab.script("[ -e %s/good$LBD_PORT ]" % lab.path, "check").partition(" ")[0]
    health = 'health { exec "%s"; interval 100ms; fall 2; rise 1; } all_down WORD; worker' % check
    lbd = lab.lbd(base)
    lbd.wait_up(2)
    load = lab.load(rate=40)
    load.wait_count(10)
    lbd.config(base.replace("worker", health.replace("WORD", "serve"), 1))
    lbd.ctl("reload")
    wait_until(lambda: lbd.json("status")["all_down"] == ["web"], lbd.output)
    assert set(lbd.states().values()) == {"down"}
    assert all("SERVES ON" in b["note"] for b in lbd.pool().values())
    assert "ALL FAIL: web" in lbd.ctl("status") and "ALL CHECKS FAIL" in lbd.output()
    load.wait_count(40)
    # One that passes serves alone.
    (lab.path / "good8081").touch()
    wait_until(lambda: lbd.json("status")["all_down"] == [], lbd.output)
    lab.expect_workers({"8081"}, 5)
    (lab.path / "good8081").unlink()
    wait_until(lambda: lbd.json("status")["all_down"] == ["web"], lbd.output)
    load.wait_count(40)
    assert {r.outcome for r in load.stop()} == {"ok"}

    lbd.config(base.replace("worker", health.replace("WORD", "refuse"), 1))
    lbd.ctl("reload")
    wait_until(lambda: lbd.json("status")["all_down"] == [], lbd.output)
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    lbd.config(base)
    lbd.ctl("reload")
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 5)


def orphans(lab, end):
    """A check that leaves a process in a session of its own, and then ends so; and those processes."""
    pids = lab.path / "orphans"
    text = "setsid -f sh -c 'echo $$ >>%s; exec sleep 3600'\nuntil test -s %s; do :; done\n%s\n"
    return lab.script(text % (pids, pids, end), "check").partition(" ")[0], (
        lambda: [int(p) for p in pids.read_text().split()] if pids.exists() else []
    )


def group_of(pid):
    return text_of(pathlib.Path("/proc/%d/cgroup" % pid))


@pytest.mark.parametrize("end", ["exit 0", "exit 1", "exec sleep 3600"], ids=["good", "bad", "late"])
def test_what_an_exec_check_leaves_ends_with_it(lab, end):
    check, left = orphans(lab, end)
    health = 'health { exec "%s"; interval 200ms; timeout 3s; }' % check
    lbd = lab.lbd(web("8081", pool=health))
    wait_until(lambda: len(left()) >= 3, left)
    wait_until(lambda: not any(alive(p) for p in left()[:2]), left)
    wait_until(lambda: any("/lbd.checks/" in group_of(p) for p in left()), left)
    lbd.kill()
    kept = left()
    lbd = lbd.restart_as_is()
    assert not any(alive(p) for p in kept)
    wait_until(lambda: len(left()) > len(kept), left)
    assert lbd.stop() == 0
    assert not any(alive(p) for p in left())


@pytest.mark.parametrize(
    "where, address",
    [(" --port=9999", "127.0.0.1:9999"), (" --port=8081 --version=1 --address=127.0.0.9", "127.0.0.9:8081")],
    ids=["port", "address"],
)
def test_it_is_told_where_else_it_listens(lab, where, address):
    lbd = lab.lbd(late(lab, SMALL + where))
    lbd.wait_worker("web:8081", "fatal")
    said = "does not listen on port 8081: it listens on %s; the pool expects 127.0.0.1:8081" % address
    note = lbd.workers()["web:8081"]["note"]
    assert said in note and "not this worker" not in note, note
