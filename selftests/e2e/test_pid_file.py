# SPDX-License-Identifier: Apache-2.0
"""pid_file: that of a program that runs is left as it is, and only lbd's own is removed."""

import os

import pytest
from lab import BUILD, DEADLINE, wait_until, web


@pytest.fixture
def other(lab):
    """A program that runs, and its pid file."""
    process = lab.process("sleep", "1000")
    path = lab.path / "other.pid"
    path.write_text("%d\n" % process.pid)
    return process, path


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
    os.utime(path, (1000000000, 1000000000))
    lbd = lab.lbd("pid_file %s;" % path)
    assert path.read_text() == "%d\n" % lbd.pid
    lbd.kill()
    lbd = lbd.restart()
    assert path.read_text() == "%d\n" % lbd.pid
    assert lbd.stop() == 0 and not path.exists()


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
