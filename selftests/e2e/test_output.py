# SPDX-License-Identifier: Apache-2.0
"""What workers write: to files, within limits, whatever becomes of them."""

import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import stat

import pytest

from lab import (
    BUILD,
    DEADLINE,
    HERE,
    PYTHON,
    alive,
    kill_and_wait,
    pool,
    run,
    take_descriptors,
    text_of,
    unique,
    wait_equal,
    wait_rest,
    wait_until,
    web,
)


def test_output_to_the_log(lab):
    command = lab.script("echo out; echo err >&2; echo port $1; exec sleep 1000\n")
    lbd = lab.lbd(pool(command))
    wait_equal(lambda: lbd.log_of("web:8081"), "out\nerr\nport 8081\n")
    assert "port 8081" in lbd.ctl("tail", "web:8081")


def test_output_apart_with_prefix(lab):
    command = lab.script("echo out; echo err >&2; exec sleep 1000\n")
    lbd = lab.lbd(
        pool(
            command,
            "stdout %s/out-$port.log prefix; stderr %s/err-$port.log;" % (lab.path, lab.path),
        )
    )
    out, err = lab.path / "out-8081.log", lab.path / "err-8081.log"
    wait_until(lambda: text_of(err) == "err\n")
    wait_until(lambda: text_of(out).endswith(" out\n"))
    assert out.read_text()[:4].isdigit()
    assert lbd.alive()


def test_log_rotates_by_size_without_loss(lab):
    command = lab.script("seq -f 'line %06.0f of the log' 1 20000\necho end\nexec sleep 1000\n")
    path = lab.path / "out.log"
    lab.lbd(pool(command, "stdout %s size 100k files 9;" % path))
    wait_until(lambda: text_of(path).endswith("end\n"))
    files = sorted(lab.path.glob("out.log*"), key=lambda p: p.stat().st_mtime_ns)
    assert 4 <= len(files) <= 10
    assert all(f.stat().st_size <= 110 << 10 for f in files)
    lines = [l for f in files for l in f.read_text().splitlines() if l.startswith("line")]
    assert sorted(lines) == ["line %06d of the log" % n for n in range(1, 20001)]


def test_a_gibibyte_of_output(lab):
    """Does not disturb lbd, which keeps steering meanwhile; the log stays within its limit."""
    path = lab.path / "out.log"
    lbd = lab.lbd(web("8081", words="--write=1024", worker="stdout %s size 10m files 1;" % path))
    lbd.wait_up(1)
    load = lab.load(rate=30)
    wait_until(lambda: text_of(path).endswith("end\n"), "the end", 90)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert sum(f.stat().st_size for f in lab.path.glob("out.log*")) <= 22 << 20
    assert lbd.memory_kib() < 100 << 10


def test_output_closed_by_the_worker(lab):
    """Is no reason to stop it, nor to spin."""
    lbd = lab.lbd(web("8081", words="--close-output"))
    lbd.wait_up(1)
    assert lab.get().worker == "8081"
    wait_rest(lbd.pid)


def test_full_disk_under_the_log(lab):
    """Goes on serving, and says it once."""
    small = lab.path / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "none", small)
    lab.closers.append(lambda: run("umount", "-l", small))
    words = "--said=%s/said-$port" % lab.path
    lbd = lab.lbd(web("8081", words=words, worker="stdout %s/out.log;" % small))
    lbd.wait_up(1)
    wait_until(lambda: "no space" in lbd.output().lower(), lbd.output)
    assert lab.workers_seen(50) == {"8081": 50}
    assert lbd.output().lower().count("no space") == 1


def test_tail_follows_the_log(lab):
    """Over rotation and clearing, line for line."""
    command = lab.script(
        "n=0; while :; do n=$((n + 1)); printf 'line %06d of the log\\n' $n; sleep 0.01; done\n"
    )
    log = lab.path / "out.log"
    lbd = lab.lbd(pool(command, "stdout %s size 2k files 5;" % log))
    wait_until(lambda: text_of(log))
    tail = lab.process(BUILD / "lbctl", "-n", lbd.instance, "tail", "web:8081", "-f")
    tail.wait_output("^line")
    begin = tail.output().count("\n")
    wait_until((lab.path / "out.log.3").exists)
    wait_until(lambda: tail.output().count("\n") > begin + 100)
    numbers = [int(l.split()[1]) for l in tail.output().splitlines(True) if l.endswith("\n")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    tail.stop()


def test_tail_and_clear_know_both_files(lab):
    command = lab.script(
        "n=0; while :; do n=$((n + 1)); echo out $n; echo err $n >&2; sleep 0.1; done\n"
    )
    out, err = lab.path / "out.log", lab.path / "err.log"
    lbd = lab.lbd(pool(command, "stdout %s; stderr %s;" % (out, err)))
    wait_until(lambda: text_of(out) and text_of(err))
    said = lbd.ctl("tail", "web:8081")
    assert "out 1\n" in said and "err 1\n" in said
    tail = lab.process(BUILD / "lbctl", "-n", lbd.instance, "tail", "web:8081", "-f")
    tail.wait_output("^err 1$")
    seen = tail.output().count("\n")
    wait_until(lambda: {l.split()[0] for l in tail.output().splitlines()[seen:]} == {"out", "err"})
    tail.stop()
    assert lbd.ctl("clear", "web:8081") == "1 cleared\n"
    wait_until(lambda: "err 1\n" not in text_of(err) and "out 1\n" not in text_of(out))


@pytest.mark.parametrize("verb", ["tail", "clear"])
def test_output_that_goes_to_no_file(lab, verb):
    lbd = lab.lbd(pool(lab.script("exec sleep 1000\n"), "stdout none;"))
    wait_until(lambda: lbd.pids()["web:8081"])
    assert "web:8081: its output goes to no file" in lbd.refused(verb, "web:8081")


def test_tail_of_any_bytes(lab):
    """Neither a byte that is not UTF-8 nor a NUL hides the rest; a terminal shows them."""
    command = lab.script(r"printf 'one\377\n\000two\303\274\n'; exec sleep 1000" + "\n")
    lbd = lab.lbd(pool(command))
    wait_until(lambda: "two" in lbd.log_of("web:8081"))
    assert lbd.ctl("tail", "web:8081") == "one\ufffd\n\0two\u00fc\n"
    assert json.loads(lbd.ctl("-j", "tail", "web:8081")) == "one\ufffd\n\0two\u00fc\n"
    tail = lab.process(BUILD / "lbctl", "-n", lbd.instance, "tail", "web:8081", "-f")
    tail.wait_output("two\u00fc\n")
    shown = run(
        "script", "-qec", "%s -n %s tail web:8081" % (BUILD / "lbctl", lbd.instance), "/dev/null"
    )
    assert shown.stdout == "one?\n?two\u00fc\n"


def test_note_of_any_bytes(lab):
    """It is there, whatever the worker's last words were."""
    command = lab.script(r"printf 'one\377\000two\n'; exit 1" + "\n")
    lbd = lab.lbd(pool(command, "start_retries 0;"))
    lbd.wait_worker("web:8081", "fatal")
    for note in (lbd.workers()["web:8081"]["note"], lbd.backend("127.0.0.1:8081")["note"]):
        assert note.endswith("; last output: one\ufffd?two")
    assert "last output: one??two\n" in lbd.ctl("worker", "web:8081", check=False).stdout


def test_tail_follows_a_burst(lab):
    """All of what comes at once, and is followed by silence."""
    big = lab.path / "big"
    big.write_text("".join("line %06d gr\u00fc\u00df\n" % n for n in range(120_000)))
    command = lab.script("trap 'cat %s' USR1; echo ready; while :; do sleep 0.02; done\n" % big)
    lbd = lab.lbd(pool(command, "stdout %s/out.log size 0;" % lab.path))
    wait_until(lambda: text_of(lab.path / "out.log") == "ready\n")
    tail = lab.process(BUILD / "lbctl", "-n", lbd.instance, "tail", "web:8081", "-f")
    tail.wait_output("^ready")
    lbd.ctl("signal", "web:8081", "USR1")
    wait_until(
        lambda: tail.output().endswith("line 119999 gr\u00fc\u00df\n"), lambda: tail.output()[-100:]
    )
    assert tail.output() == "ready\n" + big.read_text()


def test_cleared_log(lab):
    """Emptied in place: its writer goes on."""
    command = lab.script("echo first; trap 'echo second' USR1; while :; do sleep 0.02; done\n")
    lbd = lab.lbd(pool(command))
    wait_equal(lambda: lbd.log_of("web:8081"), "first\n")
    lbd.ctl("clear", "web:8081")
    assert lbd.log_of("web:8081") == ""
    lbd.ctl("signal", "web:8081", "USR1")
    wait_equal(lambda: lbd.log_of("web:8081"), "second\n")


LINES = 100_000_000 // 100  # 100 MB in lines of 100 bytes


def all_lines(log):
    """Of the log and its rotated files, the oldest first; what a rotation moves meanwhile is missing."""
    files = sorted(log.parent.glob(log.name + ".*"), key=lambda p: -int(p.suffix[1:])) + [log]
    return "".join(text_of(p) for p in files).splitlines()


@pytest.mark.parametrize("options", ("", "size 30m files 9", "size 0", "files 9 prefix"))
def test_output_while_lbd_is_dead(lab, options):
    """100 MB of it: the worker does not stop, nothing is lost, and the next lbd goes on where it is."""
    log, written = lab.path / "out.log", lab.path / "written"
    command = lab.script(
        'trap go=1 USR1\necho first\nwhile [ -z "$go" ]; do sleep 0.02; done\n'
        "seq -f '%%099.0f' 1 %d\n: >%s\n"
        'go=\nwhile [ -z "$go" ]; do sleep 0.02; done\necho last\nexec sleep 1000\n'
        % (LINES, written)
    )
    lbd = lab.lbd(pool(command, "stdout %s %s;" % (log, options)))
    wait_until(lambda: "first\n" in text_of(log))
    pid = lbd.pids()["web:8081"]
    kill_and_wait(lbd.pid)
    os.kill(pid, signal.SIGUSR1)
    wait_until(written.exists, "100 MB written without lbd", 120)
    lbd = lbd.restart()
    assert lbd.pids()["web:8081"] == pid
    lbd.ctl("signal", "web:8081", "USR1")
    wait_until(lambda: text_of(log).endswith("last\n"), lbd.output, 60)
    lines = [line.rpartition(" ")[2] for line in all_lines(log)]
    if "prefix" in options:  # some may come twice when whoever wrote them was killed
        lines = list(dict.fromkeys(lines))
    assert (lines[0], lines[-1], len(lines)) == ("first", "last", LINES + 2)
    assert all(int(line) == n for n, line in enumerate(lines[1:-1], 1))


@pytest.mark.parametrize("reader", ("lbd", "lbd-output"))
def test_no_descriptor_for_the_log(lab, reader):
    """The lines wait, and are all there when one is to be had again; it is said once."""
    log, ready = lab.path / "out.log", lab.path / "ready"
    command = lab.script(
        'trap go=1 USR1\n: >%s\nwhile [ -z "$go" ]; do sleep 0.02; done\n'
        "seq -f '%%099.0f' 1 %d\nexec sleep 1000\n" % (ready, LINES // 10)
    )
    lbd = lab.lbd(pool(command, "stdout %s size 1m files 99;" % log))
    wait_until(ready.exists)
    pid, keeper = lbd.pids()["web:8081"], lbd.keeper()
    wait_until(lambda: fifos_of(keeper))
    starved = lbd.pid if reader == "lbd" else keeper
    before = take_descriptors(starved)
    if reader == "lbd-output":
        kill_and_wait(lbd.pid)
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: "what the worker writes waits" in lbd.output(), lbd.output)
    assert "what the worker writes is dropped" not in lbd.output()
    resource.prlimit(starved, resource.RLIMIT_NOFILE, before)
    wait_equal(lambda: len(all_lines(log)), LINES // 10)
    assert [int(line) for line in all_lines(log)] == list(range(1, LINES // 10 + 1))
    assert lbd.output().count("what the worker writes waits") == 1
    assert "0 bytes were lost" in lbd.output()


UNREADABLE = """
pool bad { worker { command "%(python)s %(here)s/unreadable.py %(path)s/file"; ports 8081; fuse on;
	stdout %(path)s/bad.log size 1m; } }
pool good { worker { command "%(good)s"; ports 8082; stdout %(path)s/good.log size 1m; } }
"""


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="optional: needs /dev/fuse")
@pytest.mark.parametrize("reader", ("lbd", "lbd-output"))
def test_output_that_cannot_be_read(lab, reader):
    """It goes, which is said; that worker's output goes on, as that of all others does."""
    (lab.path / "file").touch()
    good = lab.script(
        'trap "seq %d" USR1\necho ready\nwhile :; do sleep 0.02; done\n' % (LINES // 10)
    )
    words = {"python": PYTHON, "here": HERE, "path": lab.path, "good": good}
    lbd = lab.lbd(UNREADABLE % words)
    logs = [lab.path / "bad.log", lab.path / "good.log"]
    wait_equal(lambda: [text_of(log) for log in logs], ["ready\n"] * 2)
    bad, good = (lbd.pids()[name] for name in ("bad:8081", "good:8082"))
    if reader == "lbd-output":
        kill_and_wait(lbd.pid)
    os.kill(bad, signal.SIGUSR1)
    wait_until(lambda: "cannot be read" in lbd.output(), lbd.output)
    wait_equal(lambda: text_of(logs[0]), "ready\nbefore\nlast\n")
    os.kill(good, signal.SIGUSR1)
    wait_equal(lambda: len(all_lines(logs[1])), 1 + LINES // 10)
    assert lbd.output().count("worker bad:8081: 4096 bytes of its output are dropped") == 1


def test_no_descriptor_at_a_workers_end(lab):
    """What lbd cannot write then, its keeper does."""
    log, ready = lab.path / "out.log", lab.path / "ready"
    command = lab.script(
        'trap go=1 USR1\n: >%s\nwhile [ -z "$go" ]; do sleep 0.02; done\nseq 1000\n' % ready
    )
    lbd = lab.lbd(pool(command, "stdout %s size 1m; restart never;" % log))
    wait_until(ready.exists)
    wait_until(lambda: fifos_of(lbd.keeper()))
    pid = lbd.pids()["web:8081"]
    before = take_descriptors(lbd.pid)
    os.kill(pid, signal.SIGUSR1)
    wait_equal(lambda: all_lines(log), ["%d" % n for n in range(1, 1001)])
    resource.prlimit(lbd.pid, resource.RLIMIT_NOFILE, before)
    lbd.wait_worker("web:8081", "exited")


def state_of(pid):
    proc = pathlib.Path("/proc/%d" % pid)
    children = run("ps", "-o", "pid,stat,wchan:20,args", "--ppid", str(pid), "-p", str(pid), check=False)
    return "".join(text_of(proc / name) for name in ("status", "wchan", "syscall")) + children.stdout


@pytest.fixture
def syslog(lab):
    """A daemon of ours, which reads when the test does; and what is to be in front of lbd to meet it."""
    dev = lab.short / unique()
    dev.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=755", "none", dev)
    lab.closers.append(lambda: run("umount", "-l", dev))
    os.mknod(dev / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.chmod(dev / "null", 0o666)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(dev / "log"))
        daemon.settimeout(DEADLINE)
        yield daemon, ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /dev && exec "$@"', dev)


@pytest.mark.parametrize(
    "ends", ("under lbd", "before a shutdown", "before a kill", "before the next lbd", "without lbd")
)
def test_worker_ends_while_syslog_is_congested(lab, syslog, ends):
    """What it wrote last, more than fits into the queue of syslog, is tried on, whoever is there to do it."""
    daemon, wrap = syslog
    last, ready = 5000, lab.path / "ready"
    command = lab.script(
        'trap go=1 USR1\n: >%s\nwhile [ -z "$go" ]; do sleep 0.02; done\nseq %d\n' % (ready, last)
    )
    lbd = lab.lbd(pool(command, "stdout syslog; restart never;"), wrap=wrap)
    wait_until(ready.exists)
    wait_until(lambda: fifos_of(lbd.keeper()))
    pid = lbd.pids()["web:8081"]
    if ends == "without lbd":
        kill_and_wait(lbd.pid)
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: not alive(pid), lambda: state_of(pid))
    if ends != "without lbd":
        lbd.wait_worker("web:8081", "exited")
    if ends == "before a shutdown":
        lbd.ctl("shutdown")
        lbd.popen.wait(DEADLINE)
    elif ends in ("before a kill", "before the next lbd"):
        kill_and_wait(lbd.pid)
    if ends in ("before the next lbd", "without lbd"):
        lbd = lbd.restart(wrap=wrap)
    numbers = [int(daemon.recv(512).rpartition(b": ")[2]) for _ in range(last)]
    assert numbers == list(range(1, last + 1))
    if ends in ("before a shutdown", "before a kill"):
        wait_until(lambda: not lbd.keeper())


def test_worker_ends_while_lbd_is_dead(lab):
    """Its last words are in the log, an unfinished line too; nobody is left to wait for more."""
    log = lab.path / "out.log"
    command = lab.script(
        "trap 'printf last; exit 0' USR1\necho first\nwhile :; do sleep 0.02; done\n"
    )
    lbd = lab.lbd(pool(command, "stdout %s; restart never;" % log))
    wait_until(lambda: "first\n" in text_of(log))
    pid = lbd.pids()["web:8081"]
    wait_until(lbd.keeper)
    keeper = lbd.keeper()
    kill_and_wait(lbd.pid)
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: text_of(log) == "first\nlast\n")
    wait_until(lambda: not alive(keeper))
    lbd = lbd.restart()
    lbd.wait_worker("web:8081", "exited")
    assert text_of(log) == "first\nlast\n"


LAST_WORD = "trap 'printf last; exit 0' USR1\necho first\nwhile :; do sleep 0.02; done\n"


def keeper_of(lbd):
    """As soon as it is there, before it has done anything if it can be caught so."""
    while not (keeper := lbd.keeper()):
        assert lbd.alive()
    return keeper


@pytest.mark.parametrize("then", ("the keeper goes on", "the next lbd comes"))
@pytest.mark.parametrize("when", ("at its start", "while it waits"))
def test_worker_ends_before_the_keeper_looks(lab, when, then):
    """What it wrote last is in a FIFO that nobody but lbd and itself had open."""
    log = lab.path / "out.log"
    lbd = lab.lbd(
        pool(lab.script(LAST_WORD), "stdout %s; restart never;" % log),
        ready=when == "while it waits",
    )
    keeper = keeper_of(lbd)
    os.kill(keeper, signal.SIGSTOP)
    wait_until(lambda: "first\n" in text_of(log))
    pid = lbd.pids()["web:8081"]
    kill_and_wait(lbd.pid)
    kill_and_wait(pid, signal.SIGUSR1)
    if then == "the keeper goes on":
        os.kill(keeper, signal.SIGCONT)
        wait_until(lambda: not alive(keeper))
        assert text_of(log) == "first\nlast\n"
    lbd = lbd.restart()
    lbd.wait_worker("web:8081", "exited")
    assert text_of(log) == "first\nlast\n"
    assert not alive(keeper)


def test_an_lbd_that_cannot_start_leaves_the_keeper(lab):
    log = lab.path / "out.log"
    lbd = lab.lbd(pool(lab.script(LAST_WORD), "stdout %s; restart never;" % log))
    wait_until(lambda: "first\n" in text_of(log))
    pid, keeper = lbd.pids()["web:8081"], lbd.keeper()
    kill_and_wait(lbd.pid)
    wrong = lab.path / "running.conf"
    running = pathlib.Path("/run/lbd", lbd.instance, "running.conf")
    running.rename(wrong)
    lbd.config("pool web {")
    refused = lbd.restart_as_is(ready=False)
    assert refused.wait() == 1
    assert alive(keeper), refused.output()
    wrong.rename(running)
    kill_and_wait(pid, signal.SIGUSR1)
    wait_until(lambda: text_of(log) == "first\nlast\n")
    lbd = refused.restart_as_is()
    lbd.wait_worker("web:8081", "exited")


def test_keeper_is_killed(lab):
    """Another takes its place, and does its work."""
    log = lab.path / "out.log"
    lbd = lab.lbd(pool(lab.script(LAST_WORD), "stdout %s; restart never;" % log))
    wait_until(lambda: "first\n" in text_of(log))
    first = lbd.keeper()
    kill_and_wait(first)
    wait_until(lambda: lbd.keeper() not in (0, first))
    assert "Z" not in lbd.children().values()
    last = lbd.keeper()
    pid = lbd.pids()["web:8081"]
    kill_and_wait(lbd.pid)  # the FIFO is with the new one, too
    kill_and_wait(pid, signal.SIGUSR1)
    wait_until(lambda: not alive(last))
    assert text_of(log) == "first\nlast\n"
    lbd = lbd.restart()
    last = lbd.keeper()
    lbd.ctl("shutdown")
    lbd.popen.wait(30)
    assert not alive(last)


def test_nothing_stays_of_what_is_gone(lab):
    """Neither FIFOs nor sockets of workers that ended, were removed, or were killed with lbd."""
    lbd = lab.lbd(pool("sleep 1000", "stderr %s/err.log;" % lab.path, ports="8081-8084"))
    wait_until(lambda: all(lbd.pids().values()))
    assert len(files_of(lbd)) == 4 * 5  # two FIFOs with their notes, a socket
    lbd.ctl("worker", "stop", "web:8081")
    lbd.wait_worker("web:8081", "stopped")
    assert not [f for f in files_of(lbd) if ":8081" in f]
    victim = lbd.pids()["web:8082"]
    lbd.config(pool("sleep 1000", "stderr %s/err.log;" % lab.path, ports="8081-8083"))
    lbd.ctl("reload")
    wait_until(lambda: not [f for f in files_of(lbd) if ":8084" in f])
    kill_and_wait(lbd.pid)
    kill_and_wait(victim)
    lbd = lbd.restart()
    wait_until(lambda: lbd.pids()["web:8082"] not in (0, victim))
    wait_until(lambda: len(files_of(lbd)) == 2 * 5, lambda: str(files_of(lbd)))
    lbd.config("")
    lbd.ctl("reload", "force")
    wait_until(lambda: files_of(lbd) == [], lambda: str(files_of(lbd)))


def small_disk(lab):
    disk = lab.path / "small"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", disk)
    lab.closers.append(lambda: run("umount", "-l", disk))
    return disk


def lost(text):
    return sum(int(n) for n in re.findall(r"(\d+) bytes were lost", text))


WRITES_WHEN_TOLD = """
trap "seq -f '%%099.0f' 1 1000; echo >>%(told)s" USR1
: >%(told)s
while :; do sleep 0.02; done
"""


def test_how_much_was_lost(lab):
    """Told in the end to the byte, whoever of lbd and its keeper was killed, or has ended, meanwhile."""
    told, log = lab.path / "told", small_disk(lab) / "out.log"
    command = lab.script(WRITES_WHEN_TOLD % {"told": told})
    lbd = lab.lbd(pool(command, "stdout %s size 1m files 9; restart never;" % log))
    wait_until(told.exists)
    pid, said = lbd.pids()["web:8081"], []

    def write(times):
        os.kill(pid, signal.SIGUSR1)
        wait_equal(lambda: text_of(told), "\n" * times)

    write(1)
    wait_until(lambda: "is dropped until" in lbd.output(), lbd.output)
    kept = pathlib.Path("/run/lbd", lbd.instance, "output", "web:8081.out.lost")
    wait_until(kept.exists)
    kill_and_wait(lbd.pid)
    before = text_of(kept)
    write(2)
    wait_until(lambda: text_of(kept) != before)
    said.append(lbd)
    lbd = lbd.restart()
    write(3)
    lbd.ctl("reexec")
    run("mount", "-o", "remount,size=4m", log.parent)
    write(4)
    os.kill(pid, signal.SIGKILL)
    lbd.wait_worker("web:8081", "exited")
    said.append(lbd)
    wait_equal(lambda: lost("".join(l.output() for l in said)) + log.stat().st_size, 4 * 100_000)
    assert not kept.exists()


def test_lost_for_syslog(lab, syslog):
    daemon, wrap = syslog
    path = daemon.getsockname()
    command = lab.script("trap 'echo again' USR1\necho first\nwhile :; do sleep 0.02; done\n")
    os.rename(path, path + ".away")
    lbd = lab.lbd(pool(command, "stdout syslog;"), wrap=wrap)
    wait_until(lambda: "is dropped until" in lbd.output(), lbd.output)
    os.rename(path + ".away", path)
    os.kill(lbd.pids()["web:8081"], signal.SIGUSR1)
    assert daemon.recv(512).endswith(b": again")
    wait_until(lambda: "web:8081: written again; 6 bytes were lost" in lbd.output(), lbd.output)


@pytest.mark.parametrize("how", ("rotated", "another"))
def test_the_keeper_says_it_in_lbds_log(lab, how):
    """In the one that is there when lbd dies, not in that of its start."""
    told, log, own = lab.path / "told", small_disk(lab) / "out.log", lab.path / "own"
    own.mkdir()
    command = lab.script(WRITES_WHEN_TOLD % {"told": told})
    config = "log %s/%%s.log size 2k files 1; %s" % (own, pool(command, "stdout %s size 1m;" % log))
    lbd = lab.lbd(config % "first")
    wait_until(told.exists)
    keeper = lbd.keeper()
    first = os.readlink("/proc/%d/fd/2" % keeper)
    if how == "another":
        lbd.config(config % "next")
        lbd.ctl("reload")
        os.unlink(first)
    else:
        for _ in range(30):
            lbd.ctl("pool", "add", "new", "127.0.0.1:9001")
            lbd.ctl("pool", "remove", "new", "127.0.0.1:9001")
    pid = lbd.pids()["web:8081"]
    kill_and_wait(lbd.pid)
    os.kill(pid, signal.SIGUSR1)
    current = own / ("next.log" if how == "another" else "first.log")
    wait_until(lambda: "is dropped until" in text_of(current), lambda: os.readlink("/proc/%d/fd/2" % keeper))
    lbd.restart()


LEAKS = """
import array, os, socket, sys
outside = socket.socket(socket.AF_UNIX)
outside.connect(sys.argv[1])
print("begun", flush=True)
outside.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1, 2]))])
"""


def test_output_leaked_to_a_stranger(lab):
    """Whoever has the FIFOs of the dead open: the keeper lets go of them when lbd does."""
    log, path, rounds, held = lab.path / "out.log", str(lab.path / "outside"), 30, []
    outside = socket.socket(socket.AF_UNIX)
    outside.bind(path)
    outside.listen(100)
    outside.settimeout(30)
    program = lab.path / "leaks.py"
    program.write_text(LEAKS)
    lbd = lab.lbd(
        pool(
            "%s %s %s" % (PYTHON, program, path),
            "stdout %s size 1m; stderr %s size 1m; start_retries 1000; backoff 10ms 20ms;"
            % (log, lab.path / "err.log"),
        )
    )
    keeper = keeper_of(lbd)
    try:
        for _ in range(rounds):
            peer, _ = outside.accept()
            with peer:
                held += socket.recv_fds(peer, 1, 2)[1]
        assert len(held) == 2 * rounds
        # those of one that runs, and of the next: an event each, which the keeper may not have seen yet
        wait_until(lambda: len(fifos_of(keeper)) <= 4, lambda: str(fifos_of(keeper)))
    finally:
        for fd in held:
            os.close(fd)
        outside.close()
    wait_until(lambda: text_of(log).count("begun\n") >= rounds)


def fifos_of(pid):
    links = []
    for fd in pathlib.Path("/proc/%d/fd" % pid).iterdir():
        with contextlib.suppress(OSError):
            links.append(os.readlink(fd))
    return [link for link in links if "/output/web:" in link]


def files_of(lbd):
    """In the run directory, of workers."""
    root = pathlib.Path("/run/lbd", lbd.instance)
    return [str(p) for d in ("output", "notify") for p in (root / d).glob("*:*")]
