# SPDX-License-Identifier: Apache-2.0
"""pid_file: that of a program that runs is left as it is, and only lbd's own is removed."""

import os
import stat
import subprocess
import time

import pytest
from lab import BUILD, DEADLINE, run, wait_until, web


@pytest.fixture
def other(lab):
    """A program that runs, and its pid file."""
    process = lab.process("sleep", "1000")
    path = lab.path / "other.pid"
    path.write_text("%d\n" % process.pid)
    return process, path


@pytest.fixture
def volatile(lab):
    """A directory whose file system ends with the boot."""
    path = lab.path / "volatile"
    path.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=755", "none", path)
    lab.closers.append(lambda: run("umount", "-l", path))
    return path


@pytest.fixture
def link(lab):
    """Another way to the same directory."""
    path = lab.path / "link"
    path.symlink_to(lab.path)
    return path


def set_age(path, seconds):
    written = time.time() - seconds
    os.utime(path, (written, written))


def refused_start(lab, text):
    lbd = lab.lbd(text, ready=False)
    assert lbd.popen.wait(DEADLINE) == 1, lbd.output()
    return lbd.output()


def test_of_another_program(lab, other):
    process, path = other
    text, before = "pid_file %s;" % path, path.read_text()
    said = "pid_file %s: holds the number of " % path
    output = refused_start(lab, text)
    assert said in output and "(pid %d), which runs: " % process.pid in output
    lbd = lab.lbd("")
    lbd.config(text)
    assert said in lbd.refused("reload") and path.read_text() == before
    for program in ("lbd", "-n", lbd.instance, "-t", "-c"), ("lbctl", "check"):
        result = lab.host.run(BUILD / program[0], *program[1:], lbd.conf)
        assert said in result.stderr and ": good: " in result.stdout
    process.kill()
    lbd.ctl("reload")
    assert path.read_text() == "%d\n" % lbd.pid
    assert said not in lab.host.run(BUILD / "lbd", "-n", lbd.instance, "-t", "-c", lbd.conf).stderr
    lbd.ctl("reload")


def test_a_start_that_is_refused(lab, other):
    """Whatever it is refused for, the file of before is there."""
    process, path = other
    process.kill()
    before = path.read_text()
    lab.app(80, "--address=0.0.0.0")
    assert "is in use by" in refused_start(lab, web(attach="pid_file %s;" % path))
    assert path.read_text() == before


def test_a_number_that_another_has_by_now(lab, other):
    """Whoever has it has begun after the file was written: a file of before a reboot, say."""
    _, path = other
    set_age(path, 30)
    lbd = lab.lbd("pid_file %s;" % path)
    assert path.read_text() == "%d\n" % lbd.pid
    lbd.kill()
    lbd = lbd.restart()
    assert path.read_text() == "%d\n" % lbd.pid
    assert lbd.stop() == 0 and not path.exists()


@pytest.mark.parametrize("age", (-600, 20 * 365 * 86400))
def test_a_clock_that_was_set(lab, other, volatile, age):
    """It was behind at boot, say: then the file is of the boot before, unless it can be of none but this one."""
    process, path = other
    new = volatile / "other.pid"
    new.write_text(path.read_text())
    set_age(new, age)
    assert "(pid %d), which runs: " % process.pid in refused_start(lab, "pid_file %s;" % new)
    if run("stat", "-f", "-c", "%T", path).stdout.strip() == "tmpfs":
        pytest.skip("%s ends with the boot, too" % path)
    set_age(path, age)
    lbd = lab.lbd("pid_file %s;" % path)
    assert path.read_text() == "%d\n" % lbd.pid


def test_of_one_that_nobody_has_reaped(lab):
    """It has ended, though its number is still there: lbd's own before, in a container whose init reaps nobody."""
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    path = lab.path / "other.pid"
    path.write_text("%d\n" % ended.pid)
    lbd = lab.lbd("pid_file %s;" % path)
    assert path.read_text() == "%d\n" % lbd.pid
    ended.wait()


def look(path):
    """What it is and, of a file, what it holds: neither a FIFO nor a device is opened."""
    found = path.stat()
    return found.st_ino, path.read_bytes() if stat.S_ISREG(found.st_mode) else found.st_mode


def test_what_is_no_pid_file(lab, link):
    """Nothing of it is lost: not the log either, that of the same configuration, by whatever path."""
    files = {name: lab.path / name for name in ("notes", "fifo", "device", "log")}
    files["notes"].write_text("1 2 3\n")
    os.mkfifo(files["fifo"])
    os.mknod(files["device"], 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    files["log"].touch()
    lbd = lab.lbd("")
    files["configuration"] = lbd.conf
    why = {"notes": "holds what is no process number", "fifo": "is a FIFO", "device": "is a device"}
    why.update(configuration=why["notes"], log="is the file of log, too")
    for name, path in files.items():
        text = "pid_file %s;" % (link / "log" if name == "log" else path)
        text = "log %s; %s" % (path, text) if name == "log" else text
        lbd.config(text)
        before = look(path)
        assert why[name] in lbd.refused("reload") and look(path) == before, name
        if name != "configuration":
            assert why[name] in refused_start(lab, text) and look(path)[0] == before[0], name
        result = lab.host.run(BUILD / "lbctl", "check", lbd.conf, check=False)
        assert why[name] in result.stderr, name
        assert look(path)[0] == before[0], name


def test_two_paths_of_one_file(lab, link):
    """A reload that names it another way leaves it; so does one that is refused."""
    path = lab.path / "own.pid"
    lbd = lab.lbd("pid_file %s;" % path)
    own = "%d\n" % lbd.pid
    for other in (link / "own.pid", path):
        lbd.config("pid_file %s;" % other)
        lbd.ctl("reload")
        assert path.read_text() == own
    lbd.config("pid_file %s/own.pid; log %s/nowhere/log;" % (link, lab.path))
    lbd.refused("reload")
    assert path.read_text() == own
    lbd.config("pid_file %s/new.pid;" % link)
    lbd.ctl("reload")
    assert not path.exists() and (lab.path / "new.pid").read_text() == own


def test_one_that_cannot_be_removed(lab, volatile):
    path = volatile / "own.pid"
    lbd = lab.lbd("pid_file %s;" % path)
    run("mount", "-o", "remount,ro", volatile)
    lbd.config("")
    lbd.ctl("reload")
    said = "pid_file %s: cannot be removed: Read-only file system; it stays" % path
    assert said in lbd.output() and path.read_text() == "%d\n" % lbd.pid


def test_the_end_removes_its_own(lab, other):
    process, path = other
    own = lab.path / "own.pid"
    lbd = lab.lbd("pid_file %s;" % own)
    own.write_text("%d\n" % process.pid)
    assert lbd.stop() == 0
    assert own.read_text() == path.read_text()


def test_a_reexec(lab, other):
    """Its test is another process, and the file holds the number of the lbd that it is for; another's is refused."""
    process, path = other
    own = lab.path / "own.pid"
    lbd = lab.lbd("pid_file %s;" % own)
    lbd.ctl("reexec")
    wait_until(lambda: "going on with the configuration" in lbd.output(), lbd.output)
    assert own.read_text() == "%d\n" % lbd.pid
    own.write_text(path.read_text())
    assert "cannot take over: " in (said := lbd.refused("reexec"))
    assert "pid_file %s: holds the number of " % own in said and "(pid %d)" % process.pid in said
    process.kill()
    lbd.ctl("reexec")
    wait_until(lambda: own.read_text() == "%d\n" % lbd.pid, own.read_text)
