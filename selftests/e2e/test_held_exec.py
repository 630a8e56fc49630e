# SPDX-License-Identifier: Apache-2.0
"""A process that waits in execve(2) for as long as its user likes holds up nobody who looks for sockets."""

import os
import pathlib

import pytest
from lab import kill_and_wait, text_of, wait_until, web

PROGRAM = pathlib.Path(__file__).with_name("held_exec.py")

pytestmark = pytest.mark.skipif(
    not os.path.exists("/dev/fuse"), reason="optional: this kernel has no FUSE"
)


class Held:
    """That process, and who keeps it there."""

    def __init__(self, lab, *words):
        directory = lab.path / "held"
        directory.mkdir()
        self.server = lab.process("/usr/bin/python3", PROGRAM, directory, *words, log="held.log")
        self.server.wait_output("^asked ")
        self.pid = int(self.server.output().split()[1])
        wait_until(self.waits, self.server.output)

    def waits(self):
        """Not by its stat, which is what nobody can read now."""
        return "State:\tD" in text_of(pathlib.Path("/proc/%d/status" % self.pid))

    def end(self):
        assert self.waits()  # to the last
        self.server.stop()


def test_a_stranger(lab):
    """Who else has a worker's inherited listener, or a port, is looked for among all processes."""
    text = web("8081-8082", words="--inherit", worker="listen inherit;")
    lbd = lab.lbd(text)
    lbd.wait_up(2)
    held = Held(lab)
    before = lbd.pids()
    lbd.ctl("worker", "restart", "web:8081")
    wait_until(lambda: lbd.pids()["web:8081"] != before["web:8081"], lbd.output)
    lbd.wait_up(2)
    squatter = lab.app(9001)
    lbd.config(text + "service near { listen 127.0.0.1:9001; pool web; }")
    assert "(pid %d)" % squatter.pid in lbd.refused("reload")
    held.end()


@pytest.mark.parametrize("when", ["before lbd", "at its death"])
def test_a_backend_of_nobody(lab, when):
    """Its listener is taken from it where the kernel side did not see it listen."""
    text = "pool web { backend 127.0.0.1:9001; } service web { listen 0.0.0.0:80; pool web; }"
    if when == "before lbd":
        held = Held(lab, "9001")
        lbd = lab.lbd(text)
    else:
        lbd = lab.lbd(text)
        kill_and_wait(lbd.pid)
        held = Held(lab, "9001")
        lbd = lbd.restart()
    lbd.wait_up(1)
    held.end()
