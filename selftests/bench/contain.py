# SPDX-License-Identifier: Apache-2.0
"""
Runs the bench in PID and mount namespaces of its own, so that nothing can be left behind: the kernel
ends every process in it with the first one, and names of network namespaces, lbd's run directory and its
pins live in mounts that vanish with it.  Even kill -9 of the bench leaves only a temporary directory.
"""

import contextlib
import ctypes
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLONE_NEWNS, CLONE_NEWPID = 0x00020000, 0x20000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
GRACE_S = 30

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what + ": " + os.strerror(ctypes.get_errno()))


def _mount(source, target, kind, flags=0):
    words = [w.encode() if w else None for w in (source, target, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), None), "mount " + target)


def _inside(function):
    """The first process of the namespaces: runs function and exits with what it returns."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc")
    _mount("run", "/run", "tmpfs")
    _mount("bpf", "/sys/fs/bpf", "bpf")
    os.makedirs("/run/netns")

    def interrupted(_signum, _frame):
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)
        raise SystemExit(130)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, interrupted)
    return function()


def _wait(pid):
    """The child's exit code; a signal to us is passed on, and what does not end then is killed."""
    deadline = []

    def forward(_signum, _frame):
        deadline.append(time.monotonic() + GRACE_S)
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, forward)
    fd = os.pidfd_open(pid)
    while True:
        if select.select([fd], [], [], 0.5)[0]:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if deadline and time.monotonic() > deadline[0]:
            os.kill(pid, signal.SIGKILL)


def _remove_stale():
    """Temporary directories of runs that were killed."""
    for path in pathlib.Path(tempfile.gettempdir()).glob("lbd-bench-*-*"):
        if not os.path.exists("/proc/" + path.name.split("-")[2]):
            shutil.rmtree(path, ignore_errors=True)


def run(function, sweep):
    """function() inside; sweep() outside, before and after, for what lives in no namespace (control groups)."""
    sweep()
    _remove_stale()
    scratch = tempfile.mkdtemp(prefix="lbd-bench-%d-" % os.getpid())
    os.environ["TMPDIR"] = scratch
    tempfile.tempdir = None
    try:
        _check(_libc.unshare(CLONE_NEWPID), "unshare")
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                code = _inside(function)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                os._exit(code or 0)
        return _wait(pid)
    finally:
        sweep()
        shutil.rmtree(scratch, ignore_errors=True)


def possible():
    """None, or why the lab cannot be built here."""
    if os.geteuid():
        return "not root: network namespaces, BPF and nftables need it; try: sudo make bench"
    probe = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "true"],
        stderr=subprocess.PIPE,
        text=True,
    )
    return probe.stderr.strip() if probe.returncode else None
