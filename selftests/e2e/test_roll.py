# SPDX-License-Identifier: Apache-2.0
"""Rolling restart: one worker after the other, drained first, and an end at the first that fails."""

import os
import pathlib
import shutil
import signal
import tempfile
import threading
import time

import pytest
from lab import APP, BUILD, HERE, PYTHON, Refused, alive, kill_and_wait, pool, run, slow_end
from lab import wait_until, web

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
    before = percentile([r.latency for r in records if r.start < begin], 0.99)
    p99 = percentile([r.latency for r in during], 0.99)
    late = percentile([r.opened - r.start for r in during], 0.99)
    print("p99 %.0f ms, before %.0f, clients late by %.0f" % (1000 * p99, 1000 * before, 1000 * late))
    assert p99 < 10 * max(before, late)


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
    lbd = lab.lbd(configuration(program, "start_timeout 15s; start_retries 2; backoff 50ms 50ms;"))
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
    assert all(p.wait_end() for p in polls)
    lab.expect_workers({"8081", "8082"}, 6)


@pytest.mark.parametrize("listen", ["own", "inherit"])
def test_deadline_lets_a_worker_finish(lab, listen):
    """Its stop signal comes before any connection is cut, and what it has begun it may finish."""
    words = "--graceful" + (" --inherit" if listen == "inherit" else "")
    lbd = lab.lbd(
        web("8081-8082", pool="drain_timeout 100ms;", worker="listen %s;" % listen, words=words)
    )
    lbd.wait_up(2)
    held = lab.load("burst", count=4, path="/sleep?s=2")
    wait_until(lambda: sum(lbd.active().values()) == 4, lbd.active)
    lbd.ctl("roll", "web", "wait", timeout=120)
    assert [r.outcome for r in held.finish()] == ["ok"] * 4


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


def asked(lbd, *words):
    """lbctl in another thread, and what it said in the end."""
    said = []

    def ask():
        try:
            said.append(lbd.ctl(*words, timeout=120))
        except Refused as refused:
            said.append(refused.text)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, said


def held_up(lab, lbd, count=3):
    """A roll in another thread, whose first worker is kept draining by an open connection."""
    held = [lab.hold() for _ in range(count)]
    thread, said = asked(lbd, "roll", "web", "wait")
    lbd.wait_worker("web:8081", "draining")
    return {c.worker: c for c in held}, thread, said


def test_who_comes_later_waits_for_the_same_end(lab):
    """Of a roll that a reload has begun; it is no second one, and nobody is harmed by one who leaves."""
    lbd = lab.lbd(web("8081-8082", pool="drain_timeout 1h;"))
    lbd.wait_up(2)
    held = [lab.hold() for _ in range(2)]
    lbd.config(web("8081-8082", pool="drain_timeout 1h;", words="--version=2"))
    lbd.ctl("reload")
    lbd.wait_worker("web:8081", "draining")
    later = [
        lab.process(*lbd.ctl_command("roll", "web", "wait"), log="later%d.log" % n)
        for n in range(3)
    ]
    for process in later:
        process.wait_output("is being rolled already")
    assert "is being rolled already" in lbd.refused("roll", "web", "force", "wait")
    assert "is being rolled already" in lbd.refused("roll", "web")
    later.pop(1).kill()
    assert all(process.alive() for process in later)
    for connection in held:
        connection.close()
    for process in later:
        assert process.wait(60) == 0
        assert process.output().endswith("rolled\n"), process.output()
    assert {lab.get().version for _ in range(6)} == {"2"}


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


def test_undrained_in_its_turn(lab):
    """The old process is back in service: the roll does not say that it was rolled."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    held, thread, said = held_up(lab, lbd, 2)
    lbd.ctl("pool", "undrain", "web", "127.0.0.1:8081")
    thread.join(60)
    assert "web:8081 was put back" in said[0] and "1 of 2 workers not touched" in said[0], said
    lbd.wait_up(2)
    assert lbd.pids() == pids and held["8081"].get().worker == "8081"


def test_undrained_while_others_wait(lab):
    """Whoever waits for a drain, a stop or a restart hears that it was not done."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    held = [lab.hold() for _ in range(2)]
    for words in (
        ("worker", "restart", "web:8081"),
        ("worker", "stop", "web:8081"),
        ("pool", "drain", "web", "127.0.0.1:8081", "wait"),
    ):
        thread, said = asked(lbd, *words)
        lbd.wait_worker("web:8081", "draining")
        lbd.ctl("pool", "undrain", "web", "127.0.0.1:8081")
        thread.join(60)
        assert said and said[0].startswith("lbctl: web:8081"), (words, said)
        lbd.wait_up(2)
        assert lbd.pids() == pids
    assert all(connection.is_open() for connection in held)


def refused(lbd, *words):
    """Its error, after what it said of its progress."""
    with pytest.raises(Refused) as said:
        lbd.ctl(*words, timeout=120)
    return said.value.text


def gated(lab, ports="8081-8083", extra=""):
    """Workers that end at once unless the file ok-PORT is there."""
    program = lab.script(
        "[ -e %s/ok-$1 ] || exit 1\nexec %s %s --port=$1\n" % (lab.path, PYTHON, APP), "gated"
    )
    for port in (8081, 8082, 8083):
        (lab.path / ("ok-%d" % port)).touch()
    settings = "start_retries 0; backoff 20ms 20ms;"
    return "attach eth0;" + pool(program, settings, ports).replace(
        "pool web {", "pool web { " + extra
    )


def break_worker(lab, lbd, port):
    name = "web:%d" % port
    (lab.path / ("ok-%d" % port)).unlink()
    kill_and_wait(lbd.pids()[name])
    lbd.wait_worker(name, "fatal")


def test_those_that_are_not_up_come_first(lab):
    lbd = lab.lbd(gated(lab))
    lbd.wait_up(3)
    pids = lbd.pids()
    break_worker(lab, lbd, 8082)
    break_worker(lab, lbd, 8083)
    load = lab.load(rate=80)

    # One that fails is found out before one is touched that serves.
    for words in (("roll", "web", "wait"), ("worker", "restart", "all")):
        said = refused(lbd, *words)
        assert "web:8082 did not get ready" in said, said
        assert lbd.pids() == {**pids, "web:8082": 0, "web:8083": 0}
    (lab.path / "ok-8082").touch()
    said = refused(lbd, "roll", "web", "wait")
    assert "web:8083 did not get ready" in said and "1 of 3" in said, said
    lbd.wait_worker("web:8082", "up")
    assert lbd.pids()["web:8081"] == pids["web:8081"]
    (lab.path / "ok-8083").touch()
    lbd.ctl("roll", "web", "wait", timeout=120)
    assert not set(lbd.pids().values()) & (set(pids.values()) | {0})
    assert {r.outcome for r in load.stop()} == {"ok"}


@pytest.mark.parametrize("words", [("roll", "web", "wait"), ("worker", "restart", "web:8081")])
def test_the_last_one_that_is_up_stays(lab, words):
    lbd = lab.lbd(gated(lab, "8081-8082"))
    lbd.wait_up(2)
    lbd.ctl("worker", "stop", "web:8082")
    pids = lbd.pids()
    load = lab.load(rate=80)
    said = refused(lbd, *words)
    assert "web:8081" in said and "last one" in said and "`force`" in said, said
    assert lbd.pids() == pids
    load.wait_count(20)
    assert {r.outcome for r in load.stop()} == {"ok"}
    lbd.ctl(*words, "force")
    assert lbd.pids()["web:8081"] not in (0, pids["web:8081"])


def test_all_restarted_at_once_leave_none_refused(lab):
    lbd = lab.lbd(web("8081-8083"))
    lbd.wait_up(3)
    pids = lbd.pids()
    load = lab.load(rate=80)
    load.wait_count(20)
    said = lbd.ctl("worker", "restart", "all", timeout=120)
    assert said == "3 workers have been restarted\n"
    assert not set(lbd.pids().values()) & (set(pids.values()) | {0})
    load.wait_count(20)
    assert {r.outcome for r in load.stop()} == {"ok"}


def test_recycled_but_the_last_one(lab):
    lbd = lab.lbd(gated(lab, "8081-8082").replace("backoff", "recycle age 2s; backoff"))
    lbd.wait_up(2)
    break_worker(lab, lbd, 8082)
    pid = lbd.pids()["web:8081"]
    wait_until(lambda: lbd.workers()["web:8081"]["uptime_s"] > 12, lbd.workers)  # two looks later
    assert lbd.pids()["web:8081"] == pid


def test_shutdown_in_the_middle(lab):
    """The client hears of it."""
    lbd = lab.lbd(web("8081-8083"))
    lbd.wait_up(3)
    _, thread, _ = held_up(lab, lbd)
    os.kill(lbd.pid, signal.SIGTERM)
    lbd.ctl("shutdown")  # the second word: what is held open is cut
    thread.join(60)
    assert not thread.is_alive() and lbd.wait() == 0


@pytest.mark.parametrize("how", ["kill", "reexec"])
def test_lbd_leaves_in_the_middle(lab, how):
    """The next goes on: all of them are restarted, those that are done by now not once more."""
    lbd = lab.lbd(web("8081-8083"))
    lbd.wait_up(3)
    pids = lbd.pids()
    held, thread, _ = held_up(lab, lbd)
    held["8081"].close()
    lbd.wait_worker("web:8082", "draining")
    done = lbd.pids()["web:8081"]
    assert done not in (0, pids["web:8081"])
    if how == "kill":
        lbd.kill()
        thread.join(60)
        lbd = lbd.restart()
    else:
        lbd.notified = ""
        lbd.ctl("reexec")
        thread.join(60)
        lbd.wait_ready()
    lbd.wait_worker("web:8082", "draining")
    for connection in held.values():
        connection.close()
    wait_until(lambda: not set(lbd.pids().values()) & (set(pids.values()) | {0}), lbd.pids)
    lbd.wait_up(3)
    assert lbd.pids()["web:8081"] == done
    wait_until(lambda: "rolled" in lbd.output(), lbd.output)


def test_roll_that_failed_is_not_taken_up_again(lab):
    lbd = lab.lbd(gated(lab))
    lbd.wait_up(3)
    pids = lbd.pids()
    (lab.path / "ok-8081").unlink()
    refused(lbd, "roll", "web", "wait")
    lbd.kill()
    again = lbd.restart()
    again.wait_worker("web:8081", "fatal")
    assert again.pids() == {**pids, "web:8081": 0}
    lab.expect_workers({"8082", "8083"}, 8)
    assert "roll" not in again.output()


def test_drained_while_it_stops_goes_on(lab):
    """In its turn, when it can be drained no more: its next process is, and the roll leaves the last one up."""
    lbd = lab.lbd(web("8081-8082", worker=slow_end(lab)))
    lbd.wait_up(2)
    pids = lbd.pids()
    thread, said = asked(lbd, "roll", "web", "wait")
    lbd.wait_worker("web:8081", "stopping")
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8081")
    (lab.path / "may-end").touch()
    thread.join(60)
    assert said and "web:8081: started, and drained as before (1 of 2)" in said[0], said
    assert "web:8082 is the last one of pool web that is up" in said[0], said
    assert lbd.workers()["web:8081"]["state"] == "drained"
    assert lbd.pids()["web:8081"] not in (0, pids["web:8081"])
    assert lbd.pids()["web:8082"] == pids["web:8082"]


def test_stopped_in_its_turn_ends_without_lbd(lab):
    """Of a worker that has ended by then nothing would be heard: the next lbd's roll does not wait for it."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    held, rolling, _ = held_up(lab, lbd, 2)
    stopping, _ = asked(lbd, "worker", "stop", "web:8081")
    states = pathlib.Path("/run/lbd", lbd.instance, "states")
    wait_until(lambda: "goal=stop" in states.read_text(), states.read_text)
    lbd.kill()
    kill_and_wait(pids["web:8081"])
    for thread in rolling, stopping:
        thread.join(60)
    again = lbd.restart()
    again.wait_worker("web:8081", "stopped")
    again.wait_worker("web:8082", "up")
    held["8082"].close()
    again.ctl("worker", "start", "web:8081")
    again.wait_up(2)
    again.ctl("roll", "web", "wait")
    assert not set(again.pids().values()) & {0, *pids.values()}


def broken_environment(lab):
    (lab.path / "web.env").write_text("A=1\nnot a variable\n")
    return "web.env:2: not NAME=value"


def broken_command(lab):
    (lab.path / "serve").chmod(0o644)
    return "serve: not a file that can be run"


def broken_directory(lab):
    (lab.path / "home").rmdir()
    return "home: No such file or directory"


@pytest.mark.parametrize("broken", [broken_environment, broken_command, broken_directory])
def test_what_cannot_start_is_not_stopped(lab, broken):
    """Found out by looking, and not by a good worker that does not come back."""
    program = version_wrapper(lab)
    (lab.path / "web.env").write_text("A=1\n")
    (lab.path / "home").mkdir()
    settings = "directory %s/home; environment_file %s/web.env;" % (lab.path, lab.path)
    lbd = lab.lbd(configuration(program, settings))
    lbd.wait_up(4)
    pids = lbd.pids()
    why = broken(lab)
    for words in (
        ("roll", "web", "wait"),
        ("roll", "web"),
        ("worker", "restart", "web:8082"),
        ("worker", "restart", "web:*", "force"),
    ):
        said = refused(lbd, *words)
        assert why in said and "was not stopped" in said, (words, said)
        assert lbd.pids() == pids and set(lbd.states().values()) == {"up"}, words


@pytest.mark.parametrize(
    "settings, why",
    [
        ("limit nofile 1000000000;", "limit nofile 1000000000: fs.nr_open is "),
        ("private_tmp on; directory /tmp/%s;", "/tmp/%s: hidden by private_tmp"),
        ("stdout journal;", "journal /run/systemd/journal/stdout: "),
    ],
)
def test_a_reload_to_what_cannot_start_stops_none(lab, settings, why):
    """As the kernel or another service will refuse it: it is known before."""
    if "journal" in settings and os.path.exists("/run/systemd/journal/stdout"):
        pytest.skip("journald runs here")
    if "%s" in settings:
        place = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
        lab.closers.append(place.rmdir)
        settings, why = settings % place.name, why % place.name
    program = version_wrapper(lab)
    lbd = lab.lbd(configuration(program))
    lbd.wait_up(4)
    pids = lbd.pids()
    lbd.config(configuration(program, settings))
    assert why in run(BUILD / "lbctl", "check", lbd.conf, check=False).stderr
    assert why in lbd.refused("reload")
    assert lbd.pids() == pids and set(lbd.states().values()) == {"up"}


def foreign_log(path):
    os.chown(path, 65534, 65534)
    return "-8082.log: belongs to"


def log_that_is_a_directory(path):
    path.unlink()
    path.mkdir()
    return "-8082.log: is a directory"


@pytest.mark.parametrize("broken", [foreign_log, log_that_is_a_directory])
def test_each_worker_is_looked_at_with_its_own_log(lab, broken):
    """It is the second's that is wrong: `check` says so, and a roll ends before it, with all but the first as before."""
    logs = lab.path / "logs"
    logs.mkdir()
    logs.chmod(0o755)
    shutil.chown(logs, "www-data")
    settings = "user www-data; stdout %s/own-$port.log;" % logs
    lbd = lab.lbd(web("8081-8083", worker=settings))
    lbd.wait_up(3)
    pids = lbd.pids()
    why = broken(logs / "own-8082.log")
    checked = run(BUILD / "lbctl", "check", lbd.conf, check=False).stderr
    assert why in checked and "8081.log" not in checked, checked
    for words in (("worker", "restart", "web:8082"), ("roll", "web", "wait")):
        said = refused(lbd, *words)
        assert why in said and "web:8082 was not stopped" in said, (words, said)
    now = lbd.pids()
    assert now["web:8081"] != pids.pop("web:8081") and set(lbd.states().values()) == {"up"}
    assert all(now[name] == pid for name, pid in pids.items())


@pytest.mark.parametrize("wait", ((), ("wait",)))
def test_roll_of_none(lab, wait):
    """Where all are kept out by command nothing is rolled, and nothing else is said."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    lbd.ctl("worker", "stop", "web:8081")
    lbd.ctl("pool", "drain", "127.0.0.1:8082", "wait")
    pids = lbd.pids()
    assert "pool web: none of its workers is rolled" in lbd.ctl("roll", "web", *wait)
    assert lbd.pids() == pids
    lbd.ctl("pool", "undrain", "127.0.0.1:8082")
    lbd.ctl("roll", "web", "force", "wait")
    assert lbd.pids()["web:8082"] != pids["web:8082"]
