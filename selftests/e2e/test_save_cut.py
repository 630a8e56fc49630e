# SPDX-License-Identifier: Apache-2.0
"""
`lbctl save` over several files that does not come to its end: lbd is killed, the disk is full, somebody edits one of
them meanwhile.  What is in force stays, nobody's words are lost, and the next `save` makes it whole.
"""

import itertools
import os
import signal

import pytest

from lab import kill_and_wait, wait_equal, wait_until
from processes import Trace

pytestmark = pytest.mark.usefixtures("under_strace")

MAIN = """
include parts/*;
pool p { drain_timeout 5s; backend 127.0.0.1:9001; include p.part; }
"""
PARTS = {
    "parts/a.conf": "attach eth0 native;\npool e { backend 127.0.0.1:9002; }\n",
    "parts/b.conf": "pool b { backend 127.0.0.1:9003; }\n",
    "p.part": "backend 127.0.0.1:9004; # of p\n",
}


class World:
    """One instance through its deaths; change() is of three files, and of another thing each time."""

    def __init__(self, lab):
        self.lab, self.changes = lab, 0
        (lab.path / "parts").mkdir()
        for name, text in PARTS.items():
            (lab.path / name).write_text(text)
        self.lbd = lab.lbd(MAIN)
        self.part = lab.path / "parts" / "a.conf"

    def look(self):
        return {
            "attached": [(i["interface"], i["tier"]) for i in self.lbd.json("status")["interfaces"]],
            "services": {s["service"]: s["listens"] for s in self.lbd.json("service")},
            "pools": {
                p["pool"]: sorted(b["address"] for b in p["backends"]) for p in self.lbd.json("pool")
            },
        }

    def change(self):
        """`attach` moves to the main file: found in none, the interface would be detached."""
        self.changes += 1
        n = self.changes
        if n == 1:
            self.lbd.ctl("attach", "eth0", "generic")
        self.lbd.ctl("service", "add", "s%d" % n, "tcp", "127.0.0.1:%d" % (9800 + n), "pool", "p")
        self.lbd.ctl("pool", "add", "e", "127.0.0.1:%d" % (9100 + n))
        self.lbd.ctl("pool", "drain" if n % 2 else "undrain", "p", "127.0.0.1:9004")
        # What else lbd publishes is counted by a trace as well.
        wait_until(lambda: (self.lbd.backend("127.0.0.1:9004")["state"] == "drained") == n % 2)
        return self.look()

    def trace(self, calls, inject):
        words = ["-e", "inject=%s:%s" % (calls, inject)]
        return self.lab.keep(Trace(self.lbd.pid, calls, self.lab.file("strace.log"), words))

    def die(self):
        """Another lbd, which reads what is there."""
        kill_and_wait(self.lbd.pid)
        self.lbd = self.lbd.restart_as_is()

    def saved_whole(self, before, what=None):
        """All is in the files: also for one that knows nothing else."""
        assert self.lbd.ctl("save").startswith("saved to"), what
        assert "no difference" in self.lbd.ctl("reread"), what
        self.lbd.ctl("reload")
        assert self.look() == before, what
        assert not list(self.lab.path.glob("**/*.new")), what


def stays(world, before, what):
    """The files as they are take nothing away, neither by themselves nor by a plain reload."""
    assert world.look() == before, (what, world.lbd.output()[-2000:])
    said = world.lbd.output()
    assert "removed" not in said and "detached" not in said, (what, said)
    if "a save did not end" in said:
        assert "`lbctl save` writes the rest" in world.lbd.refused("reload"), what
        assert world.look() == before, what
        return True
    return False


@pytest.mark.parametrize("call", ("renameat", "fsync", "write"))
def test_killed_at_each_call(lab, call):
    world, halves = World(lab), 0
    for n in itertools.count(1):
        before = world.change()
        tracer = world.trace(call, "signal=KILL:when=%d" % n)
        was_told = world.lbd.ctl("save", check=False).returncode == 0
        if was_told and world.lbd.alive():
            tracer.stop()
            break
        world.lbd.wait()
        world.lbd = world.lbd.restart_as_is()
        if stays(world, before, n):
            halves += 1
            world.die()
            assert stays(world, before, n), "the next lbd but one knows it as well"
        world.saved_whole(before, n)
    # All is on the disk before the first of them is changed.
    assert n > 4 and (halves > 0) == (call == "renameat"), (n, halves)


def test_killed_in_the_save_that_makes_it_whole(lab):
    """Also where that one has changed nothing yet."""
    world = World(lab)
    for n in itertools.count(1):
        before = world.change()
        for when in (3, n):
            tracer = world.trace("renameat", "signal=KILL:when=%d" % when)
            was_told = world.lbd.ctl("save", check=False).returncode == 0
            if was_told and world.lbd.alive():
                break
            world.lbd.wait()
            world.lbd = world.lbd.restart_as_is()
            stays(world, before, (n, when))
        else:
            world.saved_whole(before, n)
            continue
        tracer.stop()
        break
    assert n > 2


@pytest.mark.parametrize("call", ("renameat", "fsync"))
def test_full_disk_at_each_call(lab, call):
    """From the n-th on, or that one alone."""
    world = World(lab)
    for n, when in ((n, when) for n in itertools.count(1) for when in ("%d", "%d+")):
        before = world.change()
        tracer = world.trace(call, "error=ENOSPC:when=" + when % n)
        result = world.lbd.ctl("save", check=False)
        tracer.stop()
        if result.returncode == 0:
            break
        assert "No space left" in result.stderr and "edited" not in result.stderr, result
        assert world.look() == before
        if "a save did not end" in world.lbd.ctl("reread"):
            world.die()
            stays(world, before, n)
        world.saved_whole(before, n)
    assert n > 4


EDIT = "drain_timeout 7s;"


def edit_after(world, n):
    """`save`, with an edit of the main file when lbd has put its n-th in place, of which its own record is the first."""
    tracer = world.trace("renameat", "signal=STOP:when=%d" % n)
    ctl = world.lab.process(*world.lbd.ctl_command("save"))
    wait_until(lambda: "stopped by SIGSTOP" in tracer.text(), tracer.text)
    text = world.lbd.conf.read_text()
    world.lbd.conf.write_text(text.replace("drain_timeout 5s;", EDIT))
    os.kill(world.lbd.pid, signal.SIGCONT)
    assert ctl.wait() == 1 and EDIT in world.lbd.conf.read_text(), ctl.output()
    tracer.stop()
    return text, ctl.output()


@pytest.mark.parametrize("n, died", ((1, False), (2, False), (2, True), (3, False), (3, True)))
def test_edit_while_it_is_saved(lab, n, died):
    """Is never written over, and keeps nobody from making it whole."""
    world = World(lab)
    before = world.change()
    text, said = edit_after(world, n)
    assert "%s has been changed since" % world.lbd.conf in said and world.look() == before
    if n > 1:
        if died:
            world.die()
        assert "`lbctl save` writes the rest" in world.lbd.refused("reload")
        assert world.look() == before
        said = world.lbd.refused("save")
        assert "`lbctl reload force` takes it up" in said and EDIT in world.lbd.conf.read_text()
    world.lbd.conf.write_text(text)
    world.saved_whole(before)


def test_edit_of_what_was_just_saved(lab):
    """Counts as one: it is not taken for what lbd has written."""
    world = World(lab)
    before = world.change()
    _, said = edit_after(world, 4)
    assert "does not say what is in force" in said and world.look() == before
    assert "%s has been changed since" % world.lbd.conf in world.lbd.refused("save")
    world.lbd.ctl("reload")
    assert world.look() == before
    world.saved_whole(before)


@pytest.mark.parametrize("name", ("main", *PARTS))
def test_edit_after_a_save_that_was_cut_off(lab, name):
    """What somebody has written since the death is no half of a save: it is named, and taken up when that is asked."""
    world = World(lab)
    before = world.change()
    world.trace("renameat", "signal=KILL:when=3")
    world.lbd.ctl("save", check=False)
    world.lbd.wait()
    path = world.lbd.conf if name == "main" else lab.path / name
    edited = path.read_text() + "# edited\n"
    path.write_text(edited)
    world.lbd = world.lbd.restart_as_is()
    assert stays(world, before, None)
    assert "%s has been changed" % path in world.lbd.refused("save")
    assert path.read_text() == edited
    world.lbd.ctl("reload", "force")
    wait_equal(lambda: world.look()["services"], {})
    assert "no difference" in world.lbd.ctl("reload") and path.read_text() == edited
