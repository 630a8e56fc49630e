# SPDX-License-Identifier: Apache-2.0
"""
A laboratory for one test: two network namespaces, `client` and `host`, joined by a veth pair, and the
processes started in them.

    client 192.0.2.2, 2001:db8::2  <- veth0 ... eth0 ->  host 192.0.2.1, 2001:db8::1

Names carry our pid, so that runs go side by side.  close() ends and removes all of it, and reports
what an orderly end left behind.
"""


import atexit
import contextlib
import os
import pathlib
import re
import shutil
import signal
import tempfile
import threading

from clients import Connection, Poll
from daemon import Lbd, Refused, pool, slow_end, web
from network import Namespace, wire
from processes import Load, Process, Trace
from system import (
    APP,
    BUILD,
    DEADLINE,
    HERE,
    PYTHON,
    SANITIZED,
    SMALL,
    alive,
    bpftool,
    cgroups,
    kill_and_wait,
    refusal,
    run,
    take_descriptors,
    text_of,
    unique,
    wait_equal,
    wait_rest,
    wait_until,
)

# What tests import from here.
__all__ = (
    "APP BUILD CLIENT4 CLIENT6 DEADLINE HERE HOST4 HOST6 Lab PYTHON Refused SMALL alive bpftool"
    " kill_and_wait leftovers pool refusal run slow_end take_descriptors text_of unique used"
    " wait_equal wait_rest wait_until web"
).split()

HOST4, CLIENT4 = "192.0.2.1", "192.0.2.2"
HOST6, CLIENT6 = "2001:db8::1", "2001:db8::2"

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")

_labs = []


class Lab:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.short = pathlib.Path(tempfile.mkdtemp(prefix="lbd-"))  # Unix sockets want short paths
        self.name = unique()
        self.processes, self.lbds, self.closers = [], [], []
        self.files = 0
        self.client = self.host = None
        self.expect_left = False  # True: the test ends with lbd killed, its workers running
        _labs.append(self)
        try:
            self._wire()
        except BaseException:
            self.close()
            raise

    def _wire(self):
        self.client = Namespace(self.name + "c")
        self.host = Namespace(self.name + "h")
        self.join()

    def join(self):
        """Makes the veth pair; again, after a test has deleted it."""
        wire((self.host, "eth0", HOST4, HOST6), (self.client, "veth0", CLIENT4, CLIENT6))

    def file(self, name):
        self.files += 1
        return self.path / ("%d-%s" % (self.files, name))

    def script(self, text, name="program"):
        """A command: a shell program on disk, given the port."""
        path = self.path / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return "%s $port" % path

    def keep(self, process):
        self.processes.append(process)
        return process

    def lbd(self, config="", **options):
        lbd = None
        try:
            lbd = Lbd.__new__(Lbd)
            self.lbds.append(lbd)
            lbd.__init__(self, config, **options)
        except BaseException:
            if not hasattr(lbd, "popen"):
                self.lbds.remove(lbd)
            raise
        return lbd

    def app(self, port, *words, wait=True):
        """The Tornado application, started by hand in the host namespace."""
        command = self.host.command(PYTHON, APP, "--port=%d" % port, *words)
        app = self.keep(Process(command, self.file("app-%d.log" % port)))
        if wait:
            app.wait_output("^listening")
        return app

    def apps(self, ports, *words):
        """Several, started at once."""
        apps = [self.app(port, *words, wait=False) for port in ports]
        for app in apps:
            app.wait_output("^listening")
        return apps

    def process(self, *words, log="process.log", namespace=None):
        return self.keep(Process((namespace or self.host).command(*words), self.file(log)))

    def trace(self, process, calls, error=None, stop=False):
        """
        Ends before the process does: a sanitizer looks for leaks as its one tracer.  error: what the calls fail
        with meanwhile.  stop: at the first of them the process is stopped.
        """
        what = "error=%s" % error if error else "signal=STOP:when=1"
        inject = ("-e", "inject=%s:%s" % (calls, what)) if error or stop else ()
        return self.keep(Trace(process.pid, calls, self.file("strace.log"), inject))

    def load(self, mode="open", namespace=None, **options):
        return self.keep(Load(self, namespace or self.client, mode, **options))

    def connect(self, host=HOST4, port=80, namespace=None):
        connection = Connection(namespace or self.client, host, port)
        self.closers.append(connection.close)
        return connection

    def hold(self, host=HOST4, port=80, namespace=None):
        """An open connection that has been answered once: its worker is known."""
        connection = self.connect(host, port, namespace)
        connection.get("/")
        return connection

    def poll(self, host=HOST4, port=80):
        poll = Poll(self.client, host, port)
        self.closers.append(poll.close)
        return poll

    def get(self, path="/", host=HOST4, port=80, namespace=None):
        """One request on a connection of its own."""
        with Connection(namespace or self.client, host, port) as connection:
            return connection.get_last(path)

    def workers_seen(self, count, **options):
        """Workers that answered so many requests, each on a new connection, and how often."""
        seen = {}
        for _ in range(count):
            worker = self.get(**options).worker
            seen[worker] = seen.get(worker, 0) + 1
        return seen

    def expect_workers(self, expected, at_least, **options):
        """
        So many requests, and as many more as it takes, are answered by all of these workers and by no
        other.  Chance decides between idle ones: no number is enough to see each.  Returns the responses.
        """
        seen, responses = set(), []
        for n in range(1000):
            if n >= at_least and seen == set(expected):
                return responses
            responses.append(self.get(**options))
            seen.add(responses[-1].worker)
            assert seen <= set(expected), (seen, expected)
        raise AssertionError("1000 requests went to %s alone" % sorted(seen))

    def close(self):
        """Ends everything; returns what an orderly end should not have left."""
        left = []
        with _signals_held():
            if self in _labs:
                _labs.remove(self)
                self._close(left)
        return left

    def _close(self, left):
        for closer in self.closers:
            try:
                closer()
            except Exception as error:  # what comes after it is to be removed all the same
                left.append("%r: %r" % (closer, error))
        for process in self.processes:
            if process.alive():
                process.signal(signal.SIGCONT)
                process.kill()
        for lbd in self.lbds:
            was_alive = lbd.alive()
            code = lbd.stop()
            if was_alive and code != 0:
                left.append("lbd: exit %d after SIGTERM%s" % (code, lbd.stuck))
            if SANITIZER.search(lbd.output()):
                left.append("sanitizer: " + lbd.output()[-4000:])
            elif code not in (0, 1, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
                left.append("lbd: exit %d\n%s" % (code, lbd.output()[-2000:]))
            lbd.notify.close()
        left += self._reports_in_logs()
        orderly = bool(self.lbds) and not self.expect_left and self.lbds[-1].popen.returncode == 0
        self._sweep(left if orderly else [])
        for space in (self.client, self.host):
            if space:
                space.remove()
        shutil.rmtree(self.short, ignore_errors=True)

    def _reports_in_logs(self):
        """Of workers that are programs of ours: what a sanitizer says goes where their output goes."""
        logs = (self.path / "logs").rglob("*.log*") if SANITIZED else []
        texts = [(p, p.read_text(errors="replace")) for p in logs if p.is_file()]
        return ["sanitizer: %s: %s" % (p, t[-4000:]) for p, t in texts if SANITIZER.search(t)]

    def _sweep(self, left):
        """Removes what is there, and names it."""
        for instance in {lbd.instance for lbd in self.lbds}:
            for path in cgroups(instance):
                left.append("cgroup " + path)
                with contextlib.suppress(OSError):
                    pathlib.Path(path, "cgroup.kill").write_text("1")
        for space in (self.client, self.host):
            for pid in space.pids() if space else []:
                with contextlib.suppress(OSError):
                    left.append(
                        "pid %d: %s" % (pid, pathlib.Path("/proc/%d/comm" % pid).read_text())
                    )
                    kill_and_wait(pid)
        for instance in {lbd.instance for lbd in self.lbds}:
            for path in cgroups(instance):
                with contextlib.suppress(OSError):
                    wait_until(lambda: not _rmdir_failed(path), path)
            for path in ("/run/lbd/" + instance, "/sys/fs/bpf/lbd/" + instance):
                if os.path.exists(path):
                    names = [str(p) for p in pathlib.Path(path).rglob("*")]
                    left.append("%s with %s" % (path, names))
                    shutil.rmtree(path, ignore_errors=True)


def _rmdir_failed(path):
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return True
    return False


@contextlib.contextmanager
def _signals_held():
    """A second ^C does not cut the cleaning short."""
    held = {signal.SIGINT, signal.SIGTERM}
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def used(lab):
    """For a fixture: afterwards nothing is left of it."""
    yield lab
    left = lab.close()
    assert not left, "left behind:\n" + "\n".join(left)


def leftovers():
    """Anything with our pid in its name that is still there."""
    prefix = "t%dx" % os.getpid()
    found = []
    for directory in ("/run/netns", "/run/lbd", "/sys/fs/bpf/lbd"):
        with contextlib.suppress(OSError):
            found += [directory + "/" + n for n in os.listdir(directory) if n.startswith(prefix)]
    return found + cgroups(prefix)


@atexit.register
def close_all():
    for lab in list(_labs):
        lab.close()
