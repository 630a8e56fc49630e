# SPDX-License-Identifier: Apache-2.0
"""lbd's own death and return: traffic goes on, workers and the kernel's side are taken back."""

import os
import pathlib
import re
import signal
import subprocess

import pytest
from lab import BUILD, alive, bpftool, kill_and_wait, pool, wait_equal, wait_until, web
from system import sealed, unsealed


def links(lbd):
    """{pin: (link id, program id)}"""
    found = {}
    for name in sorted(os.listdir(lbd.pin("links"))):
        info = bpftool("link", "show", "pinned", lbd.pin("links", name))
        found[name] = (info["id"], info["prog_id"])
    return found


def maps(lbd):
    """{pin: map id}"""
    names = sorted(os.listdir(lbd.pin("maps")))
    return {n: bpftool("map", "show", "pinned", lbd.pin("maps", n))["id"] for n in names}


def test_killed_under_load_and_adopted(lab):
    lbd = lab.lbd(web())
    lbd.wait_up(4)
    before = lbd.pids(), links(lbd), maps(lbd)
    held = [lab.hold() for _ in range(8)]
    load = lab.load(rate=150)
    load.wait_count(100)
    total = sum(b["total"] for b in lbd.pool().values())

    lbd.kill()
    load.wait_count(150)
    assert all(alive(pid) for pid in before[0].values())

    again = lbd.restart()
    again.wait_up(4)
    load.wait_count(150)
    records = load.stop()
    assert {r.outcome for r in records} == {"ok"}
    assert all(c.get().worker == c.worker for c in held)

    pids, links_now, maps_now = again.pids(), links(again), maps(again)
    assert pids == before[0]
    assert {r.pid for r in records} == set(pids.values())
    assert {n: i for n, (i, _) in links_now.items()} == {n: i for n, (i, _) in before[1].items()}
    for name, (_, program) in links_now.items():
        assert program != before[1][name][1], "the program of %s was not swapped" % name
    assert maps_now == before[2]
    # The count of connections went on, through both lives.
    assert sum(b["total"] for b in again.pool().values()) >= total + 300
    assert sum(again.active().values()) == len(held)


@pytest.mark.parametrize(
    "words, worker, pool",
    [
        ("", "", "health { http /health; interval 1s; rise 3; }"),
        ("", "ready notify;", ""),
        ("--inherit", "listen inherit;", ""),
    ],
    ids=["health", "notify", "inherit"],
)
def test_readiness_outlives_lbd(lab, words, worker, pool):
    """What was ready stays so: nothing has to be shown again before traffic may go on."""
    lbd = lab.lbd(web("8081-8082", words=words, worker=worker, pool=pool))
    lbd.wait_up(2)
    load = lab.load(rate=80)
    load.wait_count(20)
    lbd.kill()
    again = lbd.restart()
    load.wait_count(20)
    assert {r.outcome for r in load.stop()} == {"ok"}
    again.wait_up(2)


def test_sickness_shows_after_a_restart(lab):
    sick = lab.path / "sick"
    check = "health { http /health; interval 100ms; fall 2; }"
    lbd = lab.lbd(web("8081", words="--sick=%s" % sick, pool=check))
    lbd.wait_up(1)
    lbd.kill()
    sick.touch()
    again = lbd.restart()
    again.wait_state("127.0.0.1:8081", "down")
    sick.unlink()
    again.wait_up(1)


def test_adopted_workers_are_still_supervised(lab):
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.kill()
    again = lbd.restart()
    again.wait_up(2)
    kill_and_wait(pids["web:8081"])
    wait_until(lambda: again.pids()["web:8081"] not in (0, pids["web:8081"]), again.pids)
    again.wait_up(2)
    assert again.pids()["web:8082"] == pids["web:8082"]
    lab.expect_workers({"8081", "8082"}, 10)


def test_worker_that_died_meanwhile(lab):
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.kill()
    kill_and_wait(pids["web:8081"])
    lab.expect_workers({"8082"}, 10)
    again = lbd.restart()
    again.wait_up(2)
    assert again.pids()["web:8082"] == pids["web:8082"]
    assert again.pids()["web:8081"] != pids["web:8081"]


@pytest.mark.parametrize("restart", ["never", "on_failure", "always"])
def test_restart_policy_of_what_ended_meanwhile(lab, restart):
    """Nobody can say how it ended: `never` is never."""
    lbd = lab.lbd(web("8081-8082", worker="restart %s;" % restart))
    lbd.wait_up(2)
    pid = lbd.pids()["web:8081"]
    for _ in range(2):
        lbd.kill()
        if alive(pid):
            kill_and_wait(pid)
        lbd = lbd.restart()
        if restart == "never":
            assert lbd.workers()["web:8081"]["state"] == "exited"
            assert lbd.pids()["web:8081"] == 0
        else:
            lbd.wait_up(2)
            assert lbd.pids()["web:8081"] not in (0, pid)
    lbd.ctl("worker", "start", "web:8081", check=False)
    lbd.wait_up(2)


def test_pool_that_left_the_configuration_meanwhile(lab):
    """Its workers end with the next start; the rest is adopted."""
    lbd = lab.lbd(web("8081") + web("8091", name="old", listen=["0.0.0.0:81"], attach=""))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.kill()
    lbd.config(web("8081"))
    again = lbd.restart()
    again.wait_up(1)
    wait_until(lambda: not alive(pids["old:8091"]), "the old pool's worker ends")
    wait_equal(again.pids, {"web:8081": pids["web:8081"]}, "the workers")


def test_orderly_stop_and_a_new_start(lab):
    """An orderly stop leaves nothing; a start after it makes everything anew."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    assert lbd.stop() == 0
    assert not any(alive(p) for p in pids.values())
    assert not os.path.exists(lbd.pin())
    again = lbd.restart()
    again.wait_up(2)
    assert not set(pids.values()) & set(again.pids().values())


def test_stopped_by_sigint(lab):
    """^C in the foreground ends everything that it started."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    lbd.signal(signal.SIGINT)
    assert lbd.wait() == 0
    wait_until(lambda: lab.host.pids() == [], lab.host.pids)


def test_two_instances_side_by_side(lab):
    one = lab.lbd(web("8081"))
    two = lab.lbd(web("8091", listen=["0.0.0.0:81"], attach=""))
    one.wait_up(1)
    two.wait_up(1)
    assert lab.get(port=80).worker == "8081"
    assert lab.get(port=81).worker == "8091"
    assert two.stop() == 0
    assert lab.get(port=80).worker == "8081"


def run_file(lbd, *parts):
    return pathlib.Path("/run/lbd", lbd.instance, *parts)


STATES = "none stopped starting up down draining drained stopping backoff exited fatal".split()
GOALS = "run drain stop restart leave".split()


def as_version_1(lbd):
    """Rewrites what lbd keeps as its first version wrote it: numbers, and no first line."""
    lines = []
    for line in run_file(lbd, "states").read_text().splitlines()[1:-1]:
        name, *words = line.split()
        values = dict(w.split("=") for w in words)
        state, goal = STATES.index(values["state"]), GOALS.index(values["goal"])
        rest = [values[k] for k in ("failures", "restarts", "retry_us", "drain_us")]
        lines.append(" ".join([name, str(state), str(goal)] + rest))
    run_file(lbd, "states").write_text("\n".join(lines) + "\n")
    for record in run_file(lbd, "workers").iterdir():
        record.write_text("".join(record.read_text().splitlines(True)[1:-1]))


def test_records_of_an_older_lbd(lab):
    lbd = lab.lbd(web("8081-8083"))
    lbd.wait_up(3)
    lbd.ctl("worker", "stop", "web:8081")
    lbd.wait_worker("web:8081", "stopped")
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8082")
    lbd.wait_state("127.0.0.1:8082", "drained")
    pids = lbd.pids()
    lbd.kill()
    as_version_1(lbd)
    again = lbd.restart()
    again.wait_state("127.0.0.1:8083", "up")
    wait_equal(
        lambda: [w["state"] for w in again.workers().values()], ["stopped", "drained", "up"]
    )
    assert again.pids() == pids


@pytest.mark.parametrize("name", ["states", "workers/web:8081"])
def test_records_of_a_newer_lbd(lab, name):
    """Refused, with all as it was: whoever wrote them can go on."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.kill()
    path = run_file(lbd, name)
    text = path.read_text()
    first, _, rest = unsealed(text).partition("\n")
    what, version, *more = first.split()
    first = " ".join([what, str(int(version) + 1), *more])
    path.write_text(sealed(first + "\n" + rest))
    failed = lbd.restart(ready=False)
    assert failed.wait() == 1
    last = failed.output().splitlines()[-1]
    assert str(path) in last and "newer lbd" in last, failed.output()
    assert all(alive(p) for p in pids.values())
    lab.expect_workers({"8081", "8082"}, 10)
    path.write_text(text)
    again = lbd.restart()
    again.wait_up(2)
    assert again.pids() == pids


def remembered(lbd, name):
    """What a later lbd would know of a backend."""
    states = run_file(lbd, "states")
    for line in states.read_text().splitlines()[1:] if states.exists() else []:
        first, *words = line.split()
        if first == name:
            return dict(w.split("=") for w in words)
    return {}


def die_after(lbd, name, **counted):
    """Killed as soon as it has counted that far; the next one is ready."""
    for key, value in counted.items():
        wait_equal(lambda: remembered(lbd, name).get(key), str(value), key)
    lbd.kill()
    return lbd.restart()


@pytest.mark.parametrize("supervised", [True, False], ids=["worker", "process of others"])
def test_checks_are_counted_through_deaths(lab, supervised):
    """Each lbd lives for one result: they add up to `rise`, and to `fall`."""
    sick = lab.path / "sick"
    check = "health { http /health; interval 1h; rise 3; fall 2; }"
    if supervised:
        name, text = "web:8081", web("8081", words="--sick=%s" % sick, pool=check)
    else:
        name = "127.0.0.1:8081"
        text = "pool web { backend %s; %s } service web { listen 0.0.0.0:80; pool web; }"
        text = text % (name, check)
        lab.app(8081, "--sick=%s" % sick)
    lbd = lab.lbd(text)
    lbd = die_after(lbd, name, good=1)
    lbd = die_after(lbd, name, good=2)
    lbd.wait_up(1)
    sick.touch()
    lbd.kill()
    lbd = lbd.restart()
    lbd = die_after(lbd, name, bad=1, state="up")
    lbd.wait_state("127.0.0.1:8081", "down")


def test_start_timeout_outlives_lbd(lab):
    """One that never gets ready is given up by its own age, however short each lbd lives."""
    lbd = lab.lbd(pool("sleep 1000", "start_timeout 4s;"))
    pid = lbd.pids()["web:8081"]

    def given_up():
        return any("web:8081: not ready within 4000 ms" in one.output() for one in lab.lbds)

    def lives_again():
        nonlocal lbd
        lbd.kill()
        lbd = lbd.restart()
        lbd.pids()  # its loop has turned
        return given_up()

    wait_until(lives_again, "given up")
    wait_until(lambda: not alive(pid), "killed")


def test_drain_goes_on(lab):
    """Also of a backend that is not lbd's own: what is left of its time ends what stays."""
    lbd = lab.lbd("pool web { backend 127.0.0.1:8081; } service web { listen 0.0.0.0:80; pool web; }")
    lab.app(8081)
    lbd.wait_up(1)
    held = lab.hold()
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8081", "timeout", "15s")
    lbd.kill()
    again = lbd.restart()
    assert again.states() == {"127.0.0.1:8081": "draining"} and held.is_open()
    assert held.wait_end() == "reset"
    again.wait_state("127.0.0.1:8081", "drained")


@pytest.mark.parametrize("autostart", ["on", "off"])
def test_stop_and_restart_go_on(lab, autostart):
    lbd = lab.lbd(web("8081-8083", worker="autostart %s;" % autostart))
    if autostart == "off":
        lbd.ctl("worker", "start", "all")
    lbd.wait_up(3)
    pids = lbd.pids()
    held = {connection.worker: connection for connection in [lab.hold() for _ in range(3)]}
    asked = [
        subprocess.Popen([BUILD / "lbctl", "-n", lbd.instance, "worker", *words])
        for words in (("stop", "web:8081"), ("restart", "web:8082", "force"))
    ]
    lbd.wait_worker("web:8081", "draining")
    lbd.wait_worker("web:8082", "draining")
    lbd.kill()
    assert all(process.wait() for process in asked)
    kill_and_wait(pids["web:8082"])
    again = lbd.restart()
    again.wait_worker("web:8081", "draining")
    assert held["8081"].get().worker == "8081"
    held["8081"].close()
    again.wait_worker("web:8081", "stopped")
    again.wait_worker("web:8082", "up")
    now = again.pids()
    assert now == {"web:8081": 0, "web:8082": now["web:8082"], "web:8083": pids["web:8083"]}


def pool_ids(lbd):
    """{port: pool id}, of the services as the kernel side knows them."""
    found = bpftool("map", "dump", "pinned", lbd.pin("maps", "services"))
    return {
        int.from_bytes(int(e["formatted"]["key"]["port"]).to_bytes(2, "little"), "big"): e[
            "formatted"
        ]["value"]["pool"]
        for e in found
    }


def test_no_pool_stands_in_for_another(lab):
    """Services of one pool, of two when lbd comes back: what is pinned for both becomes neither's."""
    text = """
        pool a { backend 127.0.0.1:8081; } pool b { backend 127.0.0.1:8082; }
        service y { listen 0.0.0.0:82; pool %s; }
        service x { listen 0.0.0.0:81; pool a; }
        service z { listen 0.0.0.0:83; pool b; }
    """
    lab.apps([8081, 8082])
    lbd = lab.lbd(text % "a")
    lbd.wait_up(2)
    before = pool_ids(lbd)
    assert before[81] == before[82] != before[83]
    lbd.kill()
    os.unlink("/run/lbd/%s/running.conf" % lbd.instance)  # or it would come first
    lbd.config(text % "b")
    again = lbd.restart()
    again.wait_up(2)
    now = pool_ids(again)
    assert now[82] == now[83] != now[81] and before[81] not in now.values(), (before, now)
    assert lab.get(port=81).worker == "8081"
    assert {lab.get(port=port).worker for port in (82, 83)} == {"8082"}


def notes(lbd):
    """Of backends and workers, without the time until the next try."""
    found = {
        a: b.get("note")
        for p in lbd.json("pool")
        for a, b in ((b["address"], b) for b in p["backends"])
    }
    found.update((name, w["note"]) for name, w in lbd.workers().items())
    return {name: re.sub("; started again in .*", "", text or "") for name, text in found.items()}


@pytest.mark.parametrize("how", ["kill", "reexec"])
def test_reasons_are_told_again(lab, how):
    """Why one is not up: by command, by configuration, and what it had said before it ended."""
    says = "sh -c 'echo \\\"50 %% of web:8081 state=up = lost\\\" >&2; exit 3'"
    fails = (
        'pool %s { worker { command "' + says + '"; ports %d; start_retries %d; backoff %s; %s } }'
    )
    lbd = lab.lbd(
        web("8081-8083", pool="health { http /; interval 100ms; }")
        + "pool far { backend 127.0.0.1:9301; backend 127.0.0.1:9302 drain; health { tcp; } }"
        + fails % ("dead", 8111, 1, "10ms 10ms", "")
        + fails % ("late", 8112, 50, "1h 1h", "")
        + fails % ("once", 8113, 50, "1h 1h", "restart never;")
    )
    lbd.wait_up(3, name="web")
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8081", "wait")
    lbd.ctl("pool", "drain", "far", "127.0.0.1:9301", "wait")
    lbd.ctl("worker", "stop", "web:8082")
    lbd.wait_worker("web:8082", "stopped")
    for name, state in (("dead:8111", "fatal"), ("late:8112", "backoff"), ("once:8113", "exited")):
        lbd.wait_worker(name, state)
        assert "code 3; last output: 50 % of web:8081 state=up = lost" in notes(lbd)[name]
    before = notes(lbd)
    assert "drained by command" in before["web:8081"] == before["127.0.0.1:8081"]
    for address in ("127.0.0.1:9301", "127.0.0.1:9302"):
        assert before[address] == "drained, until `lbctl pool undrain`; nothing listens on it"
    if how == "kill":
        lbd.kill()
        lbd = lbd.restart()
    else:
        lbd.ctl("reexec")
    lbd.wait_worker("web:8081", "drained")
    lbd.wait_worker("web:8083", "up")
    wait_equal(lambda: notes(lbd), before)
    lbd.ctl("pool", "undrain", "web", "127.0.0.1:8081")
    lbd.wait_worker("web:8081", "up")
    lbd.ctl("pool", "undrain", "far", "127.0.0.1:9301")
    wait_until(lambda: notes(lbd)["127.0.0.1:9301"] == "nothing listens on it", "not drained")
    assert notes(lbd)["web:8081"] == "" == notes(lbd)["127.0.0.1:8081"]
