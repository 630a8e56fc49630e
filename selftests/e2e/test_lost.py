# SPDX-License-Identifier: Apache-2.0
"""The run directory, or part of it, is lost: the control groups name the workers, and one lbd is one."""

import os
import pathlib
import random
import re
import shutil
import signal

import pytest
from lab import BUILD, PYTHON, alive, pool, text_of, unique, wait_equal, wait_until, web
from system import cgroups


def run_dir(lbd):
    return pathlib.Path("/run/lbd", lbd.instance)


def remove_all(lbd):
    shutil.rmtree(run_dir(lbd))


def remove_records(lbd):
    shutil.rmtree(run_dir(lbd) / "workers")


def remove_in(what):
    """What is in that directory, which itself stays."""

    def remove(lbd):
        for path in (run_dir(lbd) / what).iterdir():
            path.unlink()

    return remove


def at_once(lbd, remove):
    """From under a living lbd: it makes again what is gone when nothing more goes, however slow this machine is."""
    lbd.signal(signal.SIGSTOP)
    try:
        remove(lbd)
    finally:
        lbd.signal(signal.SIGCONT)


def tear_a_record(lbd):
    path = run_dir(lbd) / "workers" / "web:8081"
    path.write_text(path.read_text()[:-20])


def remove_states(lbd):
    (run_dir(lbd) / "states").unlink()
    (run_dir(lbd) / "running.conf").unlink()


def with_words(lab, words):
    texts = {p: text_of(pathlib.Path("/proc/%d/cmdline" % p)) for p in lab.host.pids()}
    return {p for p, text in texts.items() if words in text}


def workers_in(lab):
    """By their words, not by what lbd knows."""
    return with_words(lab, "--port=")


def known(lbd):
    """
    Its records; the fingerprints are in the files alone, which root alone reads.  Whether it is heard is another
    matter.
    """
    texts = {p.name: p.read_text() for p in (run_dir(lbd) / "workers").iterdir()}
    return {n: re.sub(r"(?m)^(settings|files|unheard|# seal) .*\n", "", t) for n, t in texts.items()}


LOSSES = {
    "all": remove_all,
    "records": remove_records,
    "half of a record": tear_a_record,
    "states": remove_states,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_workers_are_found_by_their_groups(lab, loss):
    """None is started a second time, none is lost to the next lbd, its records are as before."""
    lbd = lab.lbd(web("8081-8082", worker="ready notify;"))
    lbd.wait_up(2)
    pids = lbd.pids()
    load = lab.load(rate=50)
    load.wait_count(20)
    records = known(lbd)
    lbd.kill()
    LOSSES[loss](lbd)
    again = lbd.restart()
    again.wait_up(2)
    assert again.pids() == pids
    assert workers_in(lab) == set(pids.values())
    assert known(again) == records
    load.wait_count(20)
    assert {r.outcome for r in load.stop()} == {"ok"}
    again.ctl("shutdown")
    assert not any(alive(p) for p in pids.values())
    wait_until(lambda: lab.host.pids() == [], lab.host.pids)


TORN = {
    "empty": lambda data: b"",  # what a full disk leaves
    "60 bytes": lambda data: data[:60],
    "without its last line": lambda data: data[: data[:-1].rindex(b"\n") + 1],
    "random": lambda data: random.Random(len(data)).randbytes(len(data)),
}


@pytest.mark.parametrize("torn", TORN)
@pytest.mark.parametrize("name", ["states", "running.conf", "workers/web:8081"])
def test_a_torn_record_is_told(lab, name, torn):
    """Never guessed at: one line says what is not known, and what lbd does; what can be known from elsewhere goes on."""
    lbd = lab.lbd(web("8081-8083"))
    lbd.wait_up(3)
    lbd.ctl("pool", "add", "other", "127.0.0.1:9321")
    stopped = "web:8081" if name == "states" else "web:8083"
    lbd.ctl("worker", "stop", stopped)
    lbd.wait_worker(stopped, "stopped")
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8082", "wait")
    pids = {n: p for n, p in lbd.pids().items() if p}
    lbd.kill()
    path = run_dir(lbd) / name
    path.write_bytes(TORN[torn](path.read_bytes()))
    again = lbd.restart()
    line = next(l for l in again.output().splitlines() if str(path) in l)
    assert " is torn, or " in line, line
    assert {n: p for n, p in again.pids().items() if n in pids} == pids
    assert ("other" in [p["pool"] for p in again.json("pool")]) == (name != "running.conf")
    if name == "states":
        assert "what was drained, stopped or being rolled by command" in line
        again.wait_up(3, name="web")
    else:
        wait_equal(lambda: again.states("web").get("127.0.0.1:8082"), "drained")
        again.wait_worker("web:8083", "stopped")
    again.kill()
    third = again.restart()  # by what that one has written
    assert str(path) not in third.output()


# Of each kind of record; of its first line, its version, where it says something, its seal, its end.
ALTERED = {
    "the first byte": lambda data: 0,
    "the version": lambda data: re.search(rb" \d", data).end() - 1,
    "the middle": lambda data: len(data) // 2,
    "the seal": lambda data: len(data) - 3,
    "the end": lambda data: len(data) - 1,
}


@pytest.mark.parametrize("place", ALTERED)
def test_an_altered_byte_is_told(lab, place):
    """Not followed: lbd starts, says which record, and what serves serves on."""
    lbd = lab.lbd(web("8081-8082") + web("8091", name="old", listen=["0.0.0.0:81"], attach=""))
    lbd.wait_up(3)
    held = lab.hold(port=81)
    lbd.config(web("8081-8082"))
    lbd.ctl("reload", "force")
    pids = lbd.pids()
    lbd.kill()
    paths = [run_dir(lbd) / "running.conf", run_dir(lbd) / "states"]
    paths += [p for name in ("workers", "leaving") for p in (run_dir(lbd) / name).iterdir()]
    assert len(paths) == 2 + 3 + 1
    for path in paths:
        data = bytearray(path.read_bytes())
        data[ALTERED[place](data)] ^= 1
        path.write_bytes(data)
    again = lbd.restart()
    again.wait_up(2, name="web")
    told = [p for p in paths if re.search(re.escape(str(p)) + " is torn, or ", again.output())]
    assert told == [p for p in paths if p.name != "old:8091"]
    assert {n: p for n, p in again.pids().items() if n != "old:8091"} == {
        n: p for n, p in pids.items() if n != "old:8091"
    }
    held.close()
    wait_until(lambda: not alive(pids["old:8091"]), "what leaves by a record that is altered ends")


def test_lost_states_are_told(lab):
    """A file that is not there says as little; without a death before there was none."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    path = str(run_dir(lbd) / "states")
    assert path not in lbd.output()
    lbd.ctl("pool", "drain", "127.0.0.1:8082", "wait")
    lbd.kill()
    os.unlink(path)
    again = lbd.restart()
    assert path + ": No such file or directory: what was drained" in again.output()
    again.wait_up(2)


@pytest.mark.parametrize("remove", (remove_all, remove_in("output")), ids=("all", "output"))
@pytest.mark.parametrize("when", ("lbd runs", "lbd is dead"))
def test_output_goes_on(lab, when, remove):
    """Its FIFOs have no name any more: nothing is lost, whoever dies next, and nobody stays."""
    log = lab.path / "out.log"
    command = lab.script(
        'n=0\ntrap go=1 USR1\nwhile :; do\n\techo "line $n"; go=\n'
        '\twhile [ -z "$go" ]; do sleep 0.02; done\n'
        "\tn=$((n + 1)); seq -f '%099.0f' 1 20000\ndone\n"  # 2 MB: more than a FIFO holds
    )
    lbd = lab.lbd(pool(command, "stdout %s;" % log))
    wait_until(lambda: text_of(log) == "line 0\n")
    pid = lbd.pids()["web:8081"]
    for n in range(1, 5, 2):
        if when == "lbd runs":
            at_once(lbd, remove)
        lbd.kill()
        if when == "lbd is dead":
            remove(lbd)
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: text_of(log).endswith("\nline %d\n" % n), "written without lbd")
        lbd = lbd.restart()
        assert lbd.pids() == {"web:8081": pid}
        wait_equal(lambda: keepers(lab), [lbd.keeper()])
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: text_of(log).endswith("\nline %d\n" % (n + 1)), "written with lbd")
    numbers = [int(line) for line in text_of(log).splitlines() if not line.startswith("line")]
    assert numbers == [*range(1, 20001)] * 4
    lbd.ctl("shutdown")
    wait_until(lambda: lab.host.pids() == [], lab.host.pids)


def keepers(lab):
    """All of the namespace, of whichever lbd."""
    return list(with_words(lab, "--keep-output"))


def test_a_pool_that_left_with_the_records(lab):
    """Neither a record nor the configuration names its worker: it ends all the same."""
    lbd = lab.lbd(web("8081") + web("8091", name="old", listen=["0.0.0.0:81"], attach=""))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.kill()
    remove_all(lbd)
    lbd.config(web("8081"))
    again = lbd.restart()
    again.wait_up(1)
    assert again.pids() == {"web:8081": pids["web:8081"]}
    wait_until(lambda: not alive(pids["old:8091"]), "the old pool's worker ends")
    wait_equal(lambda: [os.path.basename(c) for c in cgroups(again.instance)][:-1], ["web:8081"])


def wait_made_again(lbd):
    said = "%s, or part of it, was deleted: it has been made again" % run_dir(lbd)
    wait_until(lambda: said in lbd.output(), lbd.output)


BELOW = {"in workers": remove_in("workers"), "in notify": remove_in("notify")}
SEEN = {**{name: loss for name, loss in LOSSES.items() if loss != tear_a_record}, **BELOW}


@pytest.mark.parametrize("loss", SEEN)
def test_a_living_lbd_makes_it_again(lab, loss):
    """lbctl reaches it, workers can be started, and who was known before is known to the next lbd."""
    lbd = lab.lbd(web("8081-8083", worker="ready notify;"))
    lbd.wait_up(3)
    lbd.ctl("pool", "drain", "127.0.0.1:8082")
    before, pids = known(lbd), lbd.pids()
    at_once(lbd, SEEN[loss])
    wait_made_again(lbd)
    assert known(lbd) == before and lbd.pids() == pids
    assert {p.name for p in (run_dir(lbd) / "notify").iterdir()} == set(pids)
    lbd.ctl("worker", "restart", "web:8081")
    lbd.wait_state("127.0.0.1:8081", "up")
    pids = lbd.pids()
    lbd.kill()
    again = lbd.restart()
    again.wait_state("127.0.0.1:8081", "up")
    assert again.pids() == pids
    again.wait_state("127.0.0.1:8082", "drained")


def wait_stopped(log):
    wait_until(lambda: "--- stopped by SIGSTOP ---" in text_of(log), lambda: text_of(log))


# The first is of the program that goes, or of the next one's first step; then an event loop; then the first map.
@pytest.mark.parametrize("call", ("execve", "epoll_create1", "bpf"))
def test_lost_while_lbd_starts(lab, under_strace, call):
    """It ended, and its workers went on without it, since there was no place for its control socket any more."""
    lbd = lab.lbd(web("8081-8082", worker="ready notify;"))
    lbd.wait_up(2)
    records, pids = known(lbd), lbd.pids()
    log = lab.path / "strace.calls"
    if call == "bpf":
        lbd.kill()
        stop = ["-e", "trace=bpf", "-e", "inject=bpf:signal=STOP:when=1"]
        again = lbd.restart(ready=False, wrap=["strace", "-D", "-qq", "-o", log, *stop])
    else:
        trace = lab.trace(lbd, call, stop=True)
        log, again = trace.calls, lbd
        reexec = lab.process(*lbd.ctl_command("reexec"))
    wait_stopped(log)
    remove_all(lbd)
    again.signal(signal.SIGCONT)
    if call == "bpf":
        again.wait_ready()
    else:
        assert reexec.wait() == 0, reexec.output()
    if call == "execve":
        assert "what was in force is not known; beginning with" in again.output()
    else:
        wait_made_again(again)
    again.wait_up(2)
    assert again.pids() == pids and known(again) == records
    again.ctl("worker", "restart", "web:8081")
    again.wait_state("127.0.0.1:8081", "up")


SLOW_TRIAL = """#!/bin/sh
case "$*" in *--test-takeover*) until [ -e %s ]; do sleep 0.02; done ;; esac
exec %s "$@"
"""


def test_lost_while_lbd_is_about_to_be_replaced(lab):
    """The next program knows by the run directory alone what lbctl has changed: it is made again for that."""
    program, may_end = lab.path / "lbd", lab.path / "may-end"
    shutil.copy(BUILD / "lbd", program)
    lbd = lab.lbd(web("8081-8082", worker="ready notify;"), program=program)
    lbd.wait_up(2)
    lbd.ctl("pool", "add", "new", "127.0.0.1:9005")
    lbd.ctl("pool", "drain", "127.0.0.1:8082", "wait")
    records, pids, children = known(lbd), lbd.pids(), lbd.children()
    program.unlink()
    program.write_text(SLOW_TRIAL % (may_end, BUILD / "lbd"))
    program.chmod(0o755)
    reexec = lab.process(*lbd.ctl_command("reexec"))
    wait_until(lambda: len(lbd.children()) > len(children), "the trial")
    (trial,) = set(lbd.children()) - set(children)

    def remove(lbd):
        may_end.touch()
        wait_until(lambda: lbd.children()[trial] == "Z", "its end, of which lbd has not heard")
        remove_all(lbd)

    at_once(lbd, remove)
    assert reexec.wait() == 0, reexec.output()
    assert "it has been made again" in lbd.output()
    assert known(lbd) == records and lbd.pids() == pids
    assert {p.name for p in (run_dir(lbd) / "notify").iterdir()} == set(pids)
    assert {p["pool"] for p in lbd.json("pool")} == {"web", "new"}
    lbd.wait_state("127.0.0.1:8082", "drained")


def test_what_lbd_removes_itself_is_not_missed(lab):
    """The records of workers that end; what is deleted after that is."""
    lbd = lab.lbd(web("8081-8082", worker="ready notify;"))
    lbd.wait_up(2)
    lbd.ctl("worker", "stop", "web:8082")
    before = known(lbd)
    assert list(before) == ["web:8081"]
    (run_dir(lbd) / "workers" / "web:8081").unlink()
    wait_made_again(lbd)
    assert known(lbd) == before and lbd.output().count("it has been made again") == 1


@pytest.mark.parametrize("what", ("", "leaving", "leaving/*"))
def test_who_leaves_is_known_to_the_next_lbd(lab, what):
    """Its record is written again, with the time that it has left: nothing else names its process."""
    settings = "drain_timeout 1h; scheduler round_robin;"
    lbd = lab.lbd(web("8081-8082", pool=settings))
    lbd.wait_up(2)
    pid = lbd.pids()["web:8082"]
    held = {connection.worker: connection for connection in (lab.hold(), lab.hold())}
    lbd.config(web("8081", pool=settings))
    lbd.ctl("reload")
    records = {p.name: p.read_text() for p in (run_dir(lbd) / "leaving").iterdir()}
    assert len(records) == 1
    if what == "leaving/*":
        at_once(lbd, remove_in("leaving"))
    else:
        at_once(lbd, lambda lbd: shutil.rmtree(run_dir(lbd) / what))
    wait_made_again(lbd)
    assert records == {p.name: p.read_text() for p in (run_dir(lbd) / "leaving").iterdir()}
    lbd.kill()
    again = lbd.restart()
    assert [w["state"] for w in again.json("worker", "web:8082")] == ["draining"]
    assert held["8082"].get().pid == pid
    held["8082"].close()
    wait_until(lambda: not alive(pid), "it ends")


def test_after_stop_of_a_worker_that_lost_its_fifo(lab):
    """The hook writes to what lbd reads, name or no name."""
    log = lab.path / "out.log"
    hook = lab.script("echo stopped", "hook")
    settings = 'stdout %s size 1m; after_stop "%s";' % (log, hook)
    lbd = lab.lbd(pool(lab.script("echo begun\nexec sleep 1000"), settings))
    wait_until(lambda: text_of(log) == "begun\n")
    at_once(lbd, remove_all)
    wait_made_again(lbd)
    os.kill(lbd.pids()["web:8081"], signal.SIGKILL)
    wait_until(lambda: text_of(log) == "begun\nstopped\nbegun\n", lbd.output)


def test_lost_while_lbd_runs(lab):
    """A second lbd does not start beside it, and its end leaves nothing."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.signal(signal.SIGSTOP)
    remove_all(lbd)
    second = lbd.restart(ready=False)
    assert second.wait() == 1
    lbd.signal(signal.SIGCONT)
    assert "another lbd (pid %d) is running" % lbd.pid in second.output(), second.output()
    assert "`kill -9 %d`" % lbd.pid in second.output() and "lbctl cannot" in second.output()
    lab.expect_workers({"8081", "8082"}, 10)
    assert all(alive(p) for p in pids.values())
    wait_made_again(lbd)
    assert lbd.stop() == 0
    assert cgroups(lbd.instance) == []
    wait_until(lambda: lab.host.pids() == [], lab.host.pids)


def test_a_backend_that_comes_with_the_loss(lab):
    """Before one that is taken back: that one keeps its place, and what is counted there."""
    lbd = lab.lbd(web("8082-8083"))
    lbd.wait_up(2)
    held = [lab.hold() for _ in range(6)]
    before = lbd.active()
    assert sum(before.values()) == 6
    lbd.kill()
    remove_all(lbd)
    lbd.config(web("8081-8083"))
    again = lbd.restart()
    assert again.active() == {"8081": 0, **before}
    again.ctl("pool", "drain", "127.0.0.1:8082")
    again.ctl("pool", "drain", "127.0.0.1:8083")
    assert {c.get("/").status for c in held} == {200}


SQUATTER = """
import signal, socket, sys
held = socket.socket(socket.AF_UNIX)
held.bind("\\0lbd/" + sys.argv[1])
print("bound", flush=True)
signal.pause()
"""


def test_a_stranger_has_the_name(lab):
    """It cannot keep lbd from starting; the file is the lock then."""
    name = unique()
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    squatter = lab.process(*nobody, PYTHON, "-c", SQUATTER, name)
    squatter.wait_output("bound")
    lbd = lab.lbd(web("8081"), instance=name)
    lbd.wait_up(1)
    assert "(pid %d), which is no lbd, holds the abstract Unix address @lbd/%s" % (
        squatter.pid,
        name,
    ) in lbd.output()
    second = lbd.restart(ready=False)
    assert second.wait() == 1
    assert "another lbd (pid %d) is running" % lbd.pid in second.output()


def test_links_lost(lab):
    """The maps of one that died are there, the directory of their links is not."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.kill()
    shutil.rmtree(lbd.pin("links"))
    again = lbd.restart()
    again.wait_up(2)
    assert again.pids() == pids
    assert lab.get().status == 200
