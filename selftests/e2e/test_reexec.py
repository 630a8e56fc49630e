# SPDX-License-Identifier: Apache-2.0
"""`lbctl reexec`, and lbd's death with workers in every state and full of output."""

import json
import os
import pathlib
import re
import shutil
import signal

import pytest
from lab import BUILD, alive, run, wait_equal, wait_until, web
from system import sealed, unsealed
from test_restart import links, maps


VERSION = run(BUILD / "lbd", "--version").stdout.split()[1]
NEXT = VERSION[:-1] + ("8" if VERSION[-1] != "8" else "7")


def install(path, version=VERSION, data=None, mode=0o755):
    """As install(1): another file takes the name; the one that runs is deleted."""
    if data is None:
        # Not in the versions of libraries' symbols, as LIBBPF_0.1.0.
        found = rb"(?<![A-Z_])%s" % re.escape(VERSION.encode())
        data = re.sub(found, version.encode(), (BUILD / "lbd").read_bytes())
    aside = path.with_suffix(".new")
    aside.write_bytes(data)
    aside.chmod(mode)
    aside.rename(path)


def stat(pid):
    """Fields of /proc/PID/stat from the state on: [1] is the parent, [19] the start time."""
    return pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()


def said_version(lbd):
    return lbd.json("version")["lbd"]


@pytest.mark.parametrize("foreground", [True, False], ids=["foreground", "background"])
def test_another_program_takes_over(lab, foreground):
    """Installed under load, and the one before again: process, parent, children, links, maps stay."""
    program = lab.path / "lbd"
    install(program)
    log = "log %s;" % (lab.path / "own.log")
    lbd = lab.lbd(log + web(), program=program, foreground=foreground)
    lbd.wait_up(4)
    pids, before_links, before_maps = lbd.pids(), links(lbd), maps(lbd)
    own = stat(lbd.pid)
    held = [lab.hold() for _ in range(8)]
    load = lab.load(rate=100)
    load.wait_count(50)
    for version, before in ((NEXT, VERSION), (VERSION, NEXT)):
        install(program, version)
        assert "lbd %s takes over from lbd %s" % (version, before) in lbd.ctl("reexec")
        assert said_version(lbd) == version  # it answers when lbctl has returned
        assert lbd.alive() and lbd.json("status")["pid"] == lbd.pid
        assert [stat(lbd.pid)[n] for n in (1, 19)] == [own[n] for n in (1, 19)]
        assert os.readlink("/proc/%d/exe" % lbd.pid) == str(program)
        assert lbd.pids() == pids and set(lbd.children()) == set(pids.values())
        lbd.wait_up(4)
        load.wait_count(50)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert all(c.get().worker == c.worker for c in held)
    assert {n: i for n, (i, _) in links(lbd).items()} == {
        n: i for n, (i, _) in before_links.items()
    }
    assert maps(lbd) == before_maps
    failed = lab.lbd("", instance=lbd.instance, ready=False)
    assert failed.wait() == 1 and "another lbd (pid %d)" % lbd.pid in failed.output()
    lbd.config(log + web())


def wrong_machine():
    data = bytearray((BUILD / "lbd").read_bytes())
    data[18] ^= 0xFF  # e_machine, elf(5)
    return bytes(data)


CANNOT = {
    "missing": (lambda p: p.unlink(), "No such file"),
    "not executable": (lambda p: install(p, mode=0o644), "Permission denied"),
    "wrong machine": (lambda p: install(p, data=wrong_machine()), "Exec format error"),
    "cut short": (lambda p: install(p, data=(BUILD / "lbd").read_bytes()[:4096]), "cannot take"),
    "crashes": (lambda p: install(p, data=b"#!/bin/sh\nkill -SEGV $$\n"), "crashed (SIGSEGV)"),
    "knows no test": (
        lambda p: install(p, data=b"#!/bin/sh\necho 'lbd: no option' >&2; echo >&2; exit 2\n"),
        "code 2: lbd: no option",
    ),
    "says nothing": (lambda p: install(p, data=b"#!/bin/sh\n"), "code 0"),
}


@pytest.mark.parametrize("how", CANNOT)
def test_a_program_that_cannot_take_over(lab, how):
    """The one that runs goes on, says why, and gives way to a better one."""
    program = lab.path / "lbd"
    install(program)
    lbd = lab.lbd(web("8081-8082"), program=program)
    lbd.wait_up(2)
    pids = lbd.pids()
    load = lab.load(rate=50)
    load.wait_count(20)
    spoil, why = CANNOT[how]
    spoil(program)
    line = lbd.refused("reexec")
    assert why in line and str(program) in line and "lbd %s goes on" % VERSION in line
    assert said_version(lbd) == VERSION and lbd.pids() == pids
    assert set(lbd.children()) == set(pids.values())
    install(program, NEXT)
    lbd.ctl("reexec")
    assert said_version(lbd) == NEXT and lbd.pids() == pids
    load.wait_count(20)
    assert {r.outcome for r in load.stop()} == {"ok"}


def spoil_file(name, change, seal=True):
    """seal: as an lbd would have written it."""

    def spoil(lbd):
        path = pathlib.Path("/run/lbd", lbd.instance, name)
        text = path.read_text()
        path.write_text(sealed(change(unsealed(text))) if seal else change(text))
        return lambda: path.write_text(text)

    return spoil


def spoil_pins(lbd):
    meta = lbd.pin("maps", "meta")
    value = run("bpftool", "-j", "map", "lookup", "pinned", meta, "key", "0", "0", "0", "0")
    data = [int(v, 16) for v in json.loads(value.stdout)["value"]]

    def write(first):
        words = ["0x%02x" % v for v in [first] + data[1:]]
        run("bpftool", "map", "update", "pinned", meta, "key", "0", "0", "0", "0", "value", *words)

    write(99)
    return lambda: write(data[0])


def add_to_conf(text):
    """As if what it names had gone since it was put in force."""
    return spoil_file("running.conf", lambda t: t + text + "\n")


REFUSES = {
    "configuration": (add_to_conf("frobnicate;"), "frobnicate"),
    "half a configuration": (spoil_file("running.conf", lambda t: t[: len(t) // 2], False), "is torn"),
    "log": (add_to_conf("log /not/there/lbd.log;"), "/not/there"),
    "pid file": (add_to_conf("pid_file /not/there/lbd.pid;"), "/not/there"),
    "states": (spoil_file("states", lambda t: t.replace("3", "4", 1)), "newer lbd"),
    "records": (spoil_file("workers/web:8081", lambda t: t.replace("3", "4", 1)), "newer lbd"),
}


@pytest.mark.parametrize("what", REFUSES)
def test_records_that_a_program_does_not_understand(lab, what):
    """By itself it says so; but the lbd that runs knows better, and writes them anew before it asks."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    spoil, why = REFUSES[what]
    spoil(lbd)
    trial = lab.process(BUILD / "lbd", "-n", lbd.instance, "-c", lbd.conf, "--test-takeover")
    assert trial.wait() == 1 and why in trial.output(), trial.output()
    lbd.ctl("reexec")
    lbd.wait_up(2)
    assert lbd.pids() == pids
    lab.expect_workers({"8081", "8082"}, 10)


@pytest.mark.parametrize("directive", ("log %s/gone/lbd.log;", "pid_file %s/gone/lbd.pid;"))
def test_a_start_that_would_be_refused(lab, directive):
    """What it names has gone since it was put in force."""
    gone = lab.short / "gone"
    gone.mkdir()
    lbd = lab.lbd(directive % lab.short + web("8081"))
    lbd.wait_up(1)
    pids = lbd.pids()
    shutil.rmtree(gone)
    assert str(gone) in lbd.refused("reexec")
    assert lbd.pids() == pids
    gone.mkdir()
    lbd.ctl("reexec")
    lbd.wait_up(1)
    assert lbd.pids() == pids


ALTERED = {
    "torn": lambda data: data[: len(data) // 2],
    "altered": lambda data: data.replace(b"1", b"7", 1),
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("how", ALTERED)
def test_altered_under_a_living_lbd(lab, how):
    """It knows what is in force: all that the next program reads is written anew, told, and not followed."""
    lbd = lab.lbd(web("8081-8082") + web("8091", name="old", listen=["0.0.0.0:81"], attach=""))
    lbd.wait_up(3)
    held = lab.hold(port=81)
    lbd.config(web("8081-8082"))
    lbd.ctl("reload", "force")
    lbd.ctl("worker", "stop", "web:8082")
    lbd.ctl("pool", "add", "other", "127.0.0.1:9321")
    pids = lbd.pids()
    files = [p for p in pathlib.Path("/run/lbd", lbd.instance).rglob("*") if is_record(p)]
    kinds = {"running.conf", "states", "workers", "leaving", "output"}
    assert {p.name for p in files} | {p.parent.name for p in files} >= kinds
    lbd.signal(signal.SIGSTOP)
    for path in files:
        path.write_bytes(ALTERED[how](path.read_bytes()))
    lbd.signal(signal.SIGCONT)
    lbd.ctl("reexec")
    wait_equal(lambda: lbd.states("web"), {"127.0.0.1:8081": "up", "127.0.0.1:8082": "stopped"})
    assert lbd.pids() == pids and held.get().worker == "8091"
    assert [p["pool"] for p in lbd.json("pool")] == ["web", "other"]
    assert [p for p in files if not str(p) in lbd.output()] == []
    for path in files:
        unsealed(path.read_text())


def is_record(path):
    return path.name in ("running.conf", "states") or (
        path.is_file() and (path.parent.name in ("workers", "leaving") or path.name.endswith(".to"))
    )


def test_a_program_that_does_not_understand_the_maps(lab):
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    restore = spoil_pins(lbd)
    line = lbd.refused("reexec")
    assert "ABI version 99" in line and "goes on" in line
    assert lbd.pids() == pids
    lab.expect_workers({"8081", "8082"}, 10)
    restore()
    lbd.ctl("reexec")
    lbd.wait_up(2)
    assert lbd.pids() == pids


def test_what_has_gone_is_no_reason(lab, under_strace):
    """An address that has moved away, a user who was deleted: the next program goes on without them, as this one."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    trace = lab.trace(lbd, "execve", stop=True)
    reexec = lab.process(*lbd.ctl_command("reexec"))
    wait_until(lambda: "--- stopped by SIGSTOP ---" in trace.text(), trace.text)
    add_to_conf(
        'pool gone { backend 203.0.113.9:80; worker { command "sleep 100"; ports 8090; user u6-gone; } }'
    )(lbd)
    lbd.signal(signal.SIGCONT)
    assert reexec.wait() == 0, reexec.output()
    lbd.wait_up(2, name="web")
    assert {name: lbd.pids()[name] for name in pids} == pids
    assert "203.0.113.9:80: not an address of this host" in lbd.output()
    assert "pool gone: user u6-gone is unknown" in lbd.output()


def test_shutdown_returns_when_lbd_has_ended(lab):
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.ctl("shutdown")
    assert not alive(lbd.pid) and not any(alive(p) for p in pids.values())
    assert not os.path.exists(lbd.pin()) and not os.path.exists("/run/lbd/" + lbd.instance)
    assert lbd.wait() == 0


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
    world = set(lab.host.pids()) - {lbd.pid, lbd.keeper()}
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
    notes = {n: w["note"] for n, w in again.workers().items()}
    assert all(re.search(r"; started again in 3\d{3}\.\d s$", notes["bad:%d" % p]) for p in (8111, 8112))
    assert notes["dead:8121"] == notes["once:8131"] == "exited with code 1"
    assert all(alive(p) for p in pids.values())
    assert set(lab.host.pids()) - {again.pid, again.keeper()} == world
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


def test_who_asks_meanwhile_is_answered(lab):
    """From the old program to the new one the control socket takes connections: no verb finds nobody."""
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    inode = control_inode(lbd)
    reexec = lab.process(*lbd.ctl_command("reexec"), log="reexec.log")
    said = []
    while reexec.alive():
        result = lbd.ctl("version", check=False)
        said += [result.stderr] if result.returncode else []
    assert reexec.popen.returncode == 0, reexec.output()
    assert not [line for line in said if "no lbd answers" in line], said
    assert control_inode(lbd) == inode


def control_inode(lbd):
    return os.stat("/run/lbd/%s/control" % lbd.instance).st_ino
