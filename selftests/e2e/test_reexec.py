# SPDX-License-Identifier: Apache-2.0
"""`lbctl reexec`, and lbd's death with workers in every state and full of output."""

import pathlib
import re

import pytest
from lab import alive, wait_equal, wait_until, web
from test_restart import links, maps


def test_reexec_keeps_everything(lab):
    lbd = lab.lbd(web())
    lbd.wait_up(4)
    pids, before_links, before_maps = lbd.pids(), links(lbd), maps(lbd)
    held = [lab.hold() for _ in range(8)]
    load = lab.load(rate=100)
    load.wait_count(50)
    start = pathlib.Path("/proc/%d/stat" % lbd.pid).read_text().rpartition(")")[2].split()[19]
    lbd.notified = ""
    lbd.ctl("reexec")
    lbd.wait_ready()
    wait_until(lambda: lbd.ctl("status", check=False).returncode == 0, "answers again")
    lbd.wait_up(4)
    load.wait_count(50)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert all(c.get().worker == c.worker for c in held)
    assert lbd.alive() and lbd.json("status")["pid"] == lbd.pid
    assert (
        pathlib.Path("/proc/%d/stat" % lbd.pid).read_text().rpartition(")")[2].split()[19] == start
    )
    assert lbd.pids() == pids and set(lbd.children()) == set(pids.values())
    assert {n: i for n, (i, _) in links(lbd).items()} == {
        n: i for n, (i, _) in before_links.items()
    }
    assert maps(lbd) == before_maps


@pytest.mark.parametrize("how", ["kill", "reexec"])
def test_all_states_are_found_again(lab, how):
    """Sixteen workers, up, starting, in backoff, stopped, draining, fatal, exited."""
    never = 'worker { command "sleep 1000"; ports %s; start_timeout 1h; }'
    failing = "worker { command false; ports %s; start_retries %d; backoff %s; %s }"
    text = web("8081-8088")
    text += "pool slow { %s }" % (never % "8101-8102")
    text += "pool bad { %s }" % (failing % ("8111-8112", 50, "1h 1h", ""))
    text += "pool dead { %s }" % (failing % ("8121-8122", 1, "10ms 10ms", ""))
    text += "pool once { %s }" % (failing % ("8131-8132", 1, "10ms 10ms", "restart never;"))
    for n, name in enumerate(("slow", "bad", "dead", "once")):
        text += "service %s { listen 0.0.0.0:%d; pool %s; }" % (name, 81 + n, name)
    lbd = lab.lbd(text)
    wait_equal(
        lambda: sorted(w["state"] for w in lbd.workers().values()),
        ["backoff"] * 2 + ["exited"] * 2 + ["fatal"] * 2 + ["starting"] * 2 + ["up"] * 8,
    )
    lbd.ctl("worker", "stop", "web:8081")
    lbd.wait_worker("web:8081", "stopped")
    held = next(c for c in (lab.hold() for _ in range(7)) if c.worker == "8082")
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8082", "timeout", "1h")
    pids = {n: p for n, p in lbd.pids().items() if p}
    before = {n: (w["state"], w["failures"], w["restarts"]) for n, w in lbd.workers().items()}
    assert before["web:8082"][0] == "draining"
    world = set(lab.host.pids()) - {lbd.pid}
    if how == "kill":
        lbd.kill()
        again = lbd.restart()
    else:
        again, lbd.notified = lbd, ""
        lbd.ctl("reexec")
        lbd.wait_ready()
    # Listeners are found in the same turn of the loop in which lbd is ready.
    wait_equal(
        lambda: {n: (w["state"], w["failures"], w["restarts"]) for n, w in again.workers().items()},
        before,
    )
    assert {n: p for n, p in again.pids().items() if p} == pids
    assert all(w["retry_ms"] > 3000000 for n, w in again.workers().items() if n.startswith("bad"))
    assert all(alive(p) for p in pids.values())
    assert set(lab.host.pids()) - {again.pid} == world
    assert held.get().worker == "8082"
    held.close()
    again.wait_state("127.0.0.1:8082", "drained")
    if how == "reexec":
        assert set(again.children()) == set(pids.values())


def said(lab, port):
    """Lines that the worker has written whole."""
    path = lab.path / ("said-%d" % port)
    return int(path.read_text()) if path.exists() else 0


def wait_more(lab):
    """The workers write on: they neither ended nor stalled."""
    before = {port: said(lab, port) for port in (8081, 8082)}
    wait_until(lambda: all(said(lab, p) > n + 20000 for p, n in before.items()), "output goes on")


@pytest.mark.parametrize("rotation", ["size 0", "size 1g files 1"], ids=["plain", "rotated"])
def test_output_survives_lbd(lab, rotation):
    """
    Workers that write without pause: none ends, no line is lost or torn.  A plain file needs no lbd; with
    rotation the writers wait while there is none.
    """
    words = "--said=%s/said-$port" % lab.path
    log = "stdout %s/$port.log %s;" % (lab.path, rotation)
    lbd = lab.lbd(web("8081-8082", words=words, worker=log))
    lbd.wait_up(2)
    pids = lbd.pids()
    wait_more(lab)
    lbd.kill()
    if rotation == "size 0":
        wait_more(lab)
    again = lbd.restart()
    again.wait_up(2)
    wait_more(lab)
    again.notified = ""
    again.ctl("reexec")
    again.wait_ready()
    wait_more(lab)
    wait_until(lambda: again.ctl("status", check=False).returncode == 0)
    assert again.pids() == pids
    again.ctl("worker", "stop", "all")
    for name in pids:
        again.wait_worker(name, "stopped")
    for port in (8081, 8082):
        wait_until(lambda: numbers(lab, port)[-1:] >= [said(lab, port) - 1], "the last lines")
        assert numbers(lab, port) == list(range(len(numbers(lab, port))))


def numbers(lab, port):
    """Of the worker's lines in its log, each of them whole."""
    found = []
    for line in open(lab.path / ("%d.log" % port)):
        if not line.endswith("\n"):
            break  # what the stop signal cut short
        match = re.fullmatch(r"%d (\d{9}) x{80}\n" % port, line)
        assert match or line.startswith("listening"), line
        if match:
            found.append(int(match.group(1)))
    return found
