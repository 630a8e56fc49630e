# SPDX-License-Identifier: Apache-2.0
"""What the laboratory stands on: paths, commands, waiting for events, processes by their pid."""

import atexit
import ctypes
import json
import os
import pathlib
import platform
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / os.environ.get("LBD_BUILD", "build")
PYTHON = "/usr/bin/python3"
APP = str(HERE / "workers" / "app.py")
SMALL = str(HERE / "workers" / "small.py")  # listens a few milliseconds after it began

HOST4, CLIENT4 = "192.0.2.1", "192.0.2.2"
HOST6, CLIENT6 = "2001:db8::1", "2001:db8::2"

# On an emulated processor: deadlines are so many times as long, load so many times as slow.
TIME_SCALE = int(os.environ.get("LBD_TIME_SCALE", "1"))
DEADLINE = 30 * TIME_SCALE  # seconds that an event may take on a loaded machine before the test fails

# Programs with sanitizers write what they find there, whoever they run as; looked at after each test.
SANITIZED = BUILD.name == "san"
REPORTS = pathlib.Path(tempfile.mkdtemp(prefix="lbd-sanitizers-")) if SANITIZED else None
if REPORTS:
    atexit.register(shutil.rmtree, REPORTS, ignore_errors=True)

_counter = 0


def hear_sanitizers():
    """For every program started from now on; lbd does not hand its environment on to workers."""
    if SANITIZED:
        REPORTS.chmod(0o1777)
        words = "log_path=%s/report:exitcode=66:print_stacktrace=1" % REPORTS
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            os.environ[name] = words


def is_writing(report):
    """Its name ends with the number of the process whose report it is."""
    return os.path.exists("/proc/" + report.name.rpartition(".")[2])


def sanitizer_reports():
    """What was written since the last time; taken away.  A thread that ends while leaks are looked for is none."""
    found = []
    for path in sorted(REPORTS.iterdir()) if SANITIZED else []:
        deadline = time.monotonic() + DEADLINE
        while is_writing(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        text = path.read_text(errors="replace")
        path.unlink()
        if re.sub(r"==\d+==Unable to get registers from thread \d+\.\n", "", text):
            found.append(text)
    return found


def unique():
    global _counter
    _counter += 1
    return "t%dx%d" % (os.getpid(), _counter)


def run(*command, check=True, **options):
    """Runs a command to its end; its output is in the exception when it fails."""
    options.setdefault("timeout", DEADLINE)
    result = subprocess.run(
        [str(c) for c in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options
    )
    if check and result.returncode:
        raise AssertionError(
            "%s: exit %d\n%s%s"
            % (" ".join(map(str, command)), result.returncode, result.stdout, result.stderr)
        )
    return result


def wait_until(condition, what="", deadline=DEADLINE):
    """Polls until condition() is true and returns its value; shows the last value when it never is."""
    last = None
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        last = condition()
        if last:
            return last
        time.sleep(0.02)
    what = what() if callable(what) else what
    raise AssertionError("not within %d s: %s (last: %r)" % (deadline, what or condition, last))


def wait_equal(function, wanted, what="", deadline=DEADLINE):
    """Polls until function() == wanted."""
    seen = []

    def equal():
        seen[:] = [function()]
        return seen[0] == wanted

    wait_until(equal, lambda: "%s: %r, wanted %r" % (what, seen[0], wanted), deadline)


def text_of(path):
    """Of a file that another process writes; "" while it is not there, as between two of a rotation, or /proc's
    of a process that ends."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def sealed(text):
    """A record's text with its last line, as lbd writes it."""
    return text + "# seal %08x\n" % zlib.crc32(text.encode())


def unsealed(text):
    body, seal = text[:-16], text[-16:]
    assert text == body + seal and text == sealed(body), text[-100:]
    return body


def alive(pid):
    """Runs: a thread of it lives, which need not be the first."""
    return any(_state(path) not in "ZX" for path in threads(pid))


def threads(pid):
    """Of a process: their directories of /proc; none of one that is gone."""
    try:
        return list(pathlib.Path("/proc/%d/task" % pid).iterdir())
    except OSError:
        return []


def _state(thread):
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _state_and_switches(pid):
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return text.partition("\nState:\t")[2][0], re.findall(r"ctxt_switches:\t(\d+)", text)


def sleeps(pid):
    """How often a process went to sleep by itself so far."""
    return int(_state_and_switches(pid)[1][0])


def wait_rest(pid, seconds=0.3):
    """
    Until a process has slept for so long without a break.  One that spins never does, and one that is
    idle does however busy the machine is: processor time would tell of the machine as well.
    """

    def rested():
        before = _state_and_switches(pid)
        time.sleep(seconds)  # what is looked at is this time itself
        return before[0] == "S" and _state_and_switches(pid) == before

    wait_until(rested, "pid %d never rests" % pid)


def take_descriptors(pid):
    """None is left to be had by that process; returns its limit before."""
    taken = {int(fd) for fd in os.listdir("/proc/%d/fd" % pid)}
    lowest_free = min(set(range(len(taken) + 1)) - taken)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    return before


def kill_and_wait(pid, signum=signal.SIGKILL):
    """Ends a process and returns the moment by which it was gone, its sockets closed."""
    fd = os.pidfd_open(pid)
    try:
        os.kill(pid, signum)
        assert select.select([fd], [], [], DEADLINE)[0], "pid %d did not end" % pid
        return time.monotonic()
    finally:
        os.close(fd)


def bpftool(*words):
    return json.loads(run("bpftool", "-j", *words).stdout or "null")


def cgroups(instance):
    """Directories of cgroup v2 that are this instance's, the innermost first."""
    mounts = [l.split() for l in open("/proc/self/mounts")]
    found = []
    for mount in (m[1] for m in mounts if m[2] == "cgroup2"):
        for path, _, _ in os.walk(mount, topdown=False):
            if "/lbd/%s" % instance in path and instance in path.split("/"):
                found.append(path)
    return found


def _bpf_works():
    number = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
    if number is None:
        return False
    attributes = (ctypes.c_uint32 * 32)(2, 4, 4, 1)  # an array of one element
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, 0, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def refusal():
    """Why these tests cannot run here, or None."""
    if os.geteuid():
        return "needs root"
    if subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL).returncode:
        return "needs network namespaces, which this kernel or container refuses"
    if not _bpf_works():
        return "needs BPF, which this kernel or container refuses"
    return None
