# SPDX-License-Identifier: Apache-2.0
"""
Nobody else may list the directories that lbd makes and removes names in: getdents64(2) has a directory's lock
for as long as it copies, and into memory that never comes that is for good.
"""

import os
import pathlib
import stat

import pytest
from lab import PYTHON, wait_until, web
from system import cgroups

# Prepared as root, for the kernel's own page faults need that of userfaultfd(2); then it is nobody.
LISTER = """
import ctypes, fcntl, mmap, os, platform, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
USERFAULTFD, GETDENTS64 = {"x86_64": (323, 217), "aarch64": (282, 61)}[platform.machine()]
UFFDIO_API, UFFDIO_REGISTER, MISSING = 0xc018aa3f, 0xc020aa00, 1
fault = libc.syscall(USERFAULTFD, os.O_CLOEXEC)
if fault < 0:
    print("none here", flush=True)
    sys.exit()
fcntl.ioctl(fault, UFFDIO_API, struct.pack("3Q", 0xAA, 0, 0))
room = mmap.mmap(-1, 4096)
address = ctypes.addressof(ctypes.c_char.from_buffer(room))
fcntl.ioctl(fault, UFFDIO_REGISTER, struct.pack("4Q", address, 4096, MISSING, 0))
os.setgroups([]), os.setresgid(*3 * [65534]), os.setresuid(*3 * [65534])
for path in sys.argv[1:]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        continue
    print("lists", path, flush=True)
    words = GETDENTS64, fd, ctypes.c_void_p(address), 4096
    threading.Thread(target=libc.syscall, args=words).start()
print("done", flush=True)
threading.Event().wait()
"""
POOL = web(
    "8081-8082",
    worker="ready notify; limit pids 100; stop_timeout 1s;",
    pool="health { exec \"sleep 1\"; timeout 10s; interval 50ms; rise 1; } drain_timeout 1s;",
)


def directories(lbd):
    run_dir = pathlib.Path("/run/lbd", lbd.instance)
    below = [path for path in run_dir.rglob("*") if path.is_dir()]
    groups = [pathlib.Path(group) for group in cgroups(lbd.instance)]
    above = {group.parents[len(group.parts) - 1 - group.parts.index(lbd.instance)] for group in groups}
    shared = [pathlib.Path(path) for path in ("/run/lbd", "/var/log/lbd")]
    return [run_dir, lbd.lab.path / "logs", *shared, *above, *below, *groups]


def listed(lbd):
    """Those that others may list; what ends meanwhile is none."""
    found = []
    for path in directories(lbd):
        try:
            if path.stat().st_mode & stat.S_IROTH:
                found.append(str(path))
        except FileNotFoundError:
            pass
    return found


def started(lab):
    lbd = lab.lbd(POOL)
    lbd.wait_up(2)
    return lbd


def test_nobody_else_lists(lab):
    lbd = started(lab)
    wanted = {"workers", "notify", "output", "web:8081", "lbd.checks", "lbd"}
    names = lambda: {path.name for path in directories(lbd)}
    wait_until(lambda: wanted <= names(), names)
    assert not listed(lbd)
    assert stat.S_IMODE(os.stat("/run/lbd/%s/notify" % lbd.instance).st_mode) == 0o711


def test_left_open(lab):
    """By an lbd before this one, or a person: set right by the next start, with nothing else changed."""
    lbd = started(lab)
    pids = lbd.pids()
    lbd.kill()
    own = [path for path in directories(lbd) if lbd.instance in path.parts and path.name != "logs"]
    for path in own:
        if path.exists() and "lbd.checks" not in path.parts:
            path.chmod(0o755)
    again = lbd.restart()
    again.wait_up(2)
    assert again.pids() == pids
    assert not listed(again)


def test_umask(lab):
    """lbd's own does not take the search that workers need."""
    config = POOL.replace("ready notify;", "ready notify; user nobody;")
    lbd = lab.lbd(config, wrap=("sh", "-c", 'umask 077; exec "$@"', "sh"))
    lbd.wait_up(2)
    assert not listed(lbd)


def test_goes_on(lab):
    """nobody tries to list each of them, into memory that never comes."""
    lbd = started(lab)
    lister = lab.process(PYTHON, "-c", LISTER, *directories(lbd))
    lister.wait_output("done|none here")
    if "none here" in lister.output():
        pytest.skip("optional: no userfaultfd(2)")
    before = set(lbd.pids().values())
    lbd.ctl("roll", "web")
    wait_until(lambda: not before & set(lbd.pids().values()), lbd.pids)
    lbd.wait_up(2)
    lbd.ctl("shutdown")
    assert lbd.wait() == 0
    assert lister.output() == "done\n"
