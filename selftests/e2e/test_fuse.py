# SPDX-License-Identifier: Apache-2.0
"""
Workers, what they start, their hooks and checks cannot open /dev/fuse, nor /dev/userfaultfd, by whatever name,
unless `fuse on`: who serves a file system, or page faults, decides how long the kernel holds locks that lbd needs.
"""

import os
import pathlib
import shutil
import stat

import pytest
from lab import BUILD, bpftool, cgroups, kill_and_wait, pool, run, unique, wait_equal, wait_until

FUSE, CUSE, NULL = os.makedev(10, 229), os.makedev(10, 203), os.makedev(1, 3)

# Says what became of an open(2), in a file that is there as a whole or not at all.
TRY = """
import errno, os, sys
said, node = sys.argv[1:]
try:
    os.close(os.open(node, os.O_RDWR))
    result = "opened"
except OSError as error:
    result = errno.errorcode[error.errno]
with open(said + ".new", "w") as file:
    file.write(result)
os.rename(said + ".new", said)
"""

# ENXIO, ENODEV: it came to the driver, which is not in this kernel.
MISC = 10
with open("/proc/misc") as misc:
    USERFAULTFD = [int(line.split()[0]) for line in misc if line.split()[1] == "userfaultfd"]

LET = {"opened", "ENXIO", "ENODEV"}
REFUSED = {"EPERM"}


class Stage:
    """Device nodes, and commands that try to open one."""

    def __init__(self, lab):
        self.path = lab.short
        self.path.chmod(0o755)
        # Where a temporary directory may be, a file system without devices.
        self.nodes = pathlib.Path("/dev", lab.name)
        self.nodes.mkdir()
        devices = {"fuse": FUSE, "cuse": CUSE, "null": NULL}
        # On a kernel without it, a number that is refused.
        devices["fault"] = os.makedev(MISC, USERFAULTFD[0]) if USERFAULTFD else FUSE
        for name, device in devices.items():
            os.mknod(self.nodes / name, stat.S_IFCHR | 0o666, device)
            (self.nodes / name).chmod(0o666)
        (self.path / "try.py").write_text(TRY)
        (self.path / "out").mkdir()
        (self.path / "out").chmod(0o777)

    def attempt(self, name, node="fuse"):
        """A shell's words that try it; the result is said under that name."""
        said = self.path / "out" / name
        return "/usr/bin/python3 %s/try.py %s %s" % (self.path, said, self.nodes / node)

    def script(self, name, *lines):
        path = self.path / name
        path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
        path.chmod(0o755)
        return path

    def result(self, name):
        path = self.path / "out" / name
        wait_until(path.exists, name)
        text = path.read_text()
        path.unlink()
        return text

    def serving(self, *lines):
        """A worker's command that does this first."""
        serve = "exec /usr/bin/python3 -m http.server --bind 127.0.0.1 $1"
        return "%s $port" % self.script("serve", *lines, serve)


@pytest.fixture
def stage(lab):
    made = Stage(lab)
    yield made
    shutil.rmtree(made.nodes)


def root_group():
    (path,) = {l.split()[1] for l in open("/proc/self/mounts") if l.split()[2] == "cgroup2"}
    return path


# From a group that it has made below its own.
BELOW = '(g=%s$(sed -n s,^0::,,p /proc/self/cgroup)/below; mkdir $g; echo 0 > $g/cgroup.procs; %s)'


def configure(stage, fuse, user="root"):
    worker = stage.serving(
        stage.attempt("worker"),
        stage.attempt("worker-cuse", "cuse"),
        stage.attempt("worker-null", "null"),
        stage.attempt("worker-fault", "fault"),
        "(setsid %s)" % stage.attempt("session"),
        BELOW % (root_group(), stage.attempt("below")) if user == "root" else "",
        "(%s)" % stage.attempt("device", "/dev/fuse") if os.path.exists("/dev/fuse") else "",
    )
    before = stage.script("before", stage.attempt("before"))
    after = stage.script("after", stage.attempt("after"))
    check = stage.script("check", stage.attempt("check"))
    text = pool(worker, "user %s; before_start %s; after_stop %s; %s" % (user, before, after, fuse))
    return text.replace("pool web {", "pool web { health { exec %s; interval 50ms; }" % check, 1)


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_refused(lab, stage, user):
    """To all that lbd runs for a worker, whoever its user is; other devices are as before."""
    lbd = lab.lbd(configure(stage, "", user))
    below = ["below"] if user == "root" else []
    for name in ["before", "worker", "worker-cuse", "worker-fault", "session", "check"] + below:
        assert stage.result(name) in REFUSED, name
    if os.path.exists("/dev/fuse"):
        assert stage.result("device") in (REFUSED if user == "root" else {"EPERM", "EACCES"})
    assert stage.result("worker-null") == "opened"
    lbd.wait_up(1)
    lbd.ctl("worker", "restart", "web:8081")
    assert stage.result("after") in REFUSED


def test_fuse_on(lab, stage):
    """Its worker, and what starts with it, may; a check may not, nor does another worker."""
    other = "pool other { worker { command '%s'; ports 8082; } }" % stage.script(
        "other", stage.attempt("other"), "exec sleep 1000"
    )
    lbd = lab.lbd(configure(stage, "fuse on;") + other)
    for name in ("before", "worker", "worker-cuse", "worker-fault", "session"):
        assert stage.result(name) in LET, name
    assert stage.result("below") in REFUSED
    assert stage.result("check") in REFUSED
    assert stage.result("other") in REFUSED
    lbd.wait_state("127.0.0.1:8081", "up")
    lbd.ctl("worker", "restart", "web:8081")
    assert stage.result("after") in REFUSED
    assert stage.result("worker") in LET


def test_a_change_rolls(lab, stage):
    text = configure(stage, "")
    lbd = lab.lbd(text)
    assert stage.result("worker") in REFUSED
    lbd.wait_up(1)
    for fuse, results in (("fuse on;", LET), ("fuse off;", REFUSED)):
        lbd.config(configure(stage, fuse))
        lbd.ctl("reload")
        assert stage.result("worker") in results, fuse
        wait_until(lambda: lbd.states() == {"127.0.0.1:8081": "up"}, lbd.states)


# Tries whenever it is told to, for as long as it lives.
ASKED = "while read line < %s; do %s; done &"


def asked(stage, fuse=""):
    """A worker that tries each time that ask() is called."""
    fifo = stage.path / "ask"
    os.mkfifo(fifo)
    return pool(stage.serving(ASKED % (fifo, stage.attempt("asked"))), fuse)


def ask(stage):
    with open(stage.path / "ask", "w") as fifo:
        fifo.write("\n")
    return stage.result("asked")


def guards(lbd):
    return [name for name in os.listdir(lbd.pin("links")) if name.startswith("guard_")]


def group(lbd):
    (path,) = [p for p in cgroups(lbd.instance) if os.path.basename(p) == lbd.instance]
    return path


@pytest.mark.parametrize("fuse, results", [("", REFUSED), ("fuse on;", LET)], ids=["off", "on"])
def test_outlives_lbd(lab, stage, fuse, results):
    """With lbd dead, with the next one, which attaches it again where it is missing, and across reexec."""
    lbd = lab.lbd(asked(stage, fuse))
    lbd.wait_up(1)
    assert ask(stage) in results
    kill_and_wait(lbd.pid)
    assert ask(stage) in results
    before = guards(lbd)
    assert before == ["guard_%d" % os.stat(group(lbd)).st_ino]
    lbd = lbd.restart()
    assert ask(stage) in results and guards(lbd) == before
    lbd.ctl("reexec")
    assert ask(stage) in results and guards(lbd) == before
    kill_and_wait(lbd.pid)
    os.unlink(lbd.pin("links", before[0]))
    wait_equal(lambda: ask(stage) in LET, True, "detached")
    lbd = lbd.restart()
    assert ask(stage) in results and guards(lbd) == before


def inside(path, *words):
    """A command that runs in the group from its start."""
    return ["sh", "-c", 'echo $$ > "$0"/cgroup.procs; exec "$@"', path, *words]


@pytest.fixture
def elsewhere():
    """A group that is nobody's yet; to be asked for before the lab, that it goes after it."""
    path = os.path.join(root_group(), unique())
    os.mkdir(path)
    yield path
    for directory, _, _ in os.walk(path, topdown=False):
        os.rmdir(directory)


def test_nothing_is_left(lab, stage):
    """Where the group cannot be removed, since somebody else's process is in it, no program is on it."""
    lbd = lab.lbd(asked(stage))
    lbd.wait_up(1)
    path = group(lbd)
    stays = lab.process(*inside(path, "sleep", "1000"))
    attempt = inside(path, *stage.attempt("inside").split())
    wait_until(lambda: str(stays.pid) in open(path + "/cgroup.procs").read(), "in the group")
    run(*attempt)
    assert stage.result("inside") in REFUSED
    assert lbd.stop() == 0
    assert os.listdir(path) and not os.path.exists(lbd.pin())
    run(*attempt)
    assert stage.result("inside") in LET
    stays.kill()
    wait_until(lambda: not _rmdir_fails(path), path)


def _rmdir_fails(path):
    try:
        os.rmdir(path)
    except OSError:
        return True
    return False


def test_an_lbd_that_was_elsewhere(elsewhere, lab, stage):
    """Workers that are taken back from a group elsewhere are refused still, and new ones here."""
    lbd = lab.lbd(asked(stage), wrap=inside(elsewhere))
    lbd.wait_up(1)
    pid, there = lbd.pids()["web:8081"], group(lbd)
    assert there.startswith(elsewhere)
    kill_and_wait(lbd.pid)
    lbd = lbd.restart()
    assert lbd.pids()["web:8081"] == pid and ask(stage) in REFUSED
    here = [p for p in cgroups(lbd.instance) if os.path.basename(p) == lbd.instance]
    assert sorted(guards(lbd)) == sorted("guard_%d" % os.stat(p).st_ino for p in here)
    assert len(here) == 2
    lbd.ctl("worker", "restart", "web:8081")
    lbd.wait_up(1)
    assert lbd.pids()["web:8081"] != pid and ask(stage) in REFUSED
    assert lbd.stop() == 0
    assert not os.path.exists(lbd.pin())
    os.rmdir(there)


def test_a_group_that_is_gone(lab, stage):
    """Its link is of no use: the new group has its own, and nothing of the old one stays."""
    lbd = lab.lbd()
    before = guards(lbd)
    kill_and_wait(lbd.pid)
    os.rmdir(group(lbd))
    lbd = lbd.restart()
    assert guards(lbd) == ["guard_%d" % os.stat(group(lbd)).st_ino] != before


# What vm.unprivileged_userfaultfd is, words of the worker; of what is there a warning?
WARNED = [
    ("0", "user nobody;", set()),
    ("0", "user nobody; capabilities NET_BIND_SERVICE;", set()),
    ("0", "user nobody; capabilities SYS_PTRACE;", {"CAP_SYS_PTRACE"}),
    ("1", "user nobody;", {"vm.unprivileged_userfaultfd is not 0"}),
]


@pytest.mark.parametrize("program", ["check", "start"])
@pytest.mark.parametrize("value, words, wanted", WARNED)
def test_warns_of_userfaultfd(lab, program, value, words, wanted):
    """The setting is the host's: in a mount namespace of its own another file is there."""
    file = lab.path / "value"
    file.write_text(value + "\n")
    hide = 'mount --bind %s /proc/sys/vm/unprivileged_userfaultfd && exec "$@"' % file
    wrap = ["unshare", "-m", "sh", "-c", hide, "sh"]
    text = pool("sleep 1000", words)
    if program == "start":
        said = lab.lbd(text, wrap=wrap).output()
    else:
        path = lab.path / "checked.conf"
        path.write_text(text)
        said = lab.host.run(*wrap, BUILD / "lbctl", "check", path).stderr
    found = [line for line in said.splitlines() if "userfaultfd(2)" in line]
    assert len(found) == len(wanted), said
    assert all(any(what in line for line in found) for what in wanted), said


def test_where_it_cannot_be_attached(elsewhere, lab, stage):
    """A program on a group above that suffers none below: it is said, once, and lbd goes on."""
    other = lab.lbd()
    (program,) = bpftool("cgroup", "show", group(other))
    run("bpftool", "cgroup", "attach", elsewhere, "cgroup_device", "id", str(program["id"]))
    lbd = lab.lbd(asked(stage), wrap=inside(elsewhere))
    refused = "/dev/fuse and /dev/userfaultfd are not refused to workers: control group %s: "
    assert refused % group(lbd) in lbd.output()
    lbd.wait_up(1)
    assert lbd.output().count("/dev/fuse") == 1 and not guards(lbd)
