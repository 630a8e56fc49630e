# SPDX-License-Identifier: Apache-2.0
"""What is really there, told by the kernel and by files, not by lbd."""

import collections
import contextlib
import os
import pathlib
import re
import signal

from lab import cgroups
from maps import Maps

Process = collections.namedtuple("Process", "pid session state cgroup words")
Socket = collections.namedtuple("Socket", "state local port pids cookie")

Expected = collections.namedtuple("Expected", "maps")  # names of the pins

TRIES = 20
WORKER = "storm-worker.py"  # as a file of the laboratory's, where other users may read it


def _read(path):
    try:
        return pathlib.Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def process_of(pid):
    """None when it is gone."""
    stat = _read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    if not stat:
        return None
    cgroup = [
        l.partition("::")[2] for l in _read("/proc/%d/cgroup" % pid).splitlines() if "::" in l
    ]
    words = _read("/proc/%d/cmdline" % pid).split("\0")
    return Process(pid, int(stat[3]), stat[0], "".join(cgroup), words)


def worker_of(process):
    """The name that a worker's process was started with, or None."""
    words = process.words
    at = [i for i, word in enumerate(words[:-1]) if word.endswith("/" + WORKER)]
    return words[at[0] + 1] if at else None


def _socket_of(line):
    """A line of `ss -Htanpe`."""
    state, _, _, local, *_ = line.split()
    cookie = re.search(r" sk:([0-9a-f]+)", line)
    return Socket(
        state,
        local,
        int(local.rpartition(":")[2]),
        {int(pid) for pid in re.findall(r"pid=(\d+)", line)},
        int(cookie.group(1), 16) if cookie else 0,
    )


@contextlib.contextmanager
def _standing(lbd):
    """Else its health checks come and go faster than a busy machine looks."""
    lbd.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        lbd.signal(signal.SIGCONT)


class World:
    def __init__(self, lab, lbd, every=False, expected=None):
        self.processes = {}
        self.expected = expected
        for pid in lab.host.pids():
            process = process_of(pid)
            if process and process.state not in "ZX":
                self.processes[pid] = process
        self.cgroups = self._cgroups(lbd.instance)
        self.guards = {"guard_%d" % os.stat(path).st_ino for path in self._roots(lbd.instance)}
        self.pins = _tree(lbd.pin())
        self.run = _tree("/run/lbd/" + lbd.instance)
        self.maps = Maps(lbd.pin("maps"), every)
        self.sockets = []
        with _standing(lbd) if expected else contextlib.nullcontext():
            self._look_at_sockets(lab)

    def _look_at_sockets(self, lab):
        """While no connection comes or goes."""
        for _ in range(TRIES):
            before = self.maps.loads
            lines = lab.host.run("ss", "-Htanpe").stdout.splitlines()
            self.sockets = [_socket_of(line) for line in lines]
            self.maps.loads = self.maps.read_loads()
            if before == self.maps.loads:
                return

    @staticmethod
    def _roots(instance):
        """The groups that all of the instance's are in."""
        return [path for path in cgroups(instance) if os.path.basename(path) == instance]

    @staticmethod
    def _cgroups(instance):
        """{worker: pids in it}; NAME~1 and so on are of a worker whose group before does not end."""
        found = {}
        for path in cgroups(instance):
            if os.path.basename(path) != instance and "/lbd.checks" not in path:
                pids = _read(path + "/cgroup.procs").split()
                name = os.path.basename(path).partition("~")[0]
                found.setdefault(name, set()).update(int(pid) for pid in pids)
        return found

    def workers(self):
        """{name: pids} of the workers' own processes: lbd makes each the leader of a session."""
        found = {}
        for process in self.processes.values():
            name = worker_of(process)
            if name not in (None, "thief") and process.session == process.pid:
                found.setdefault(name, set()).add(process.pid)
        return found

    def thieves(self):
        return {pid for pid, process in self.processes.items() if worker_of(process) == "thief"}

    def listening(self, port):
        return [s for s in self.sockets if s.state == "LISTEN" and s.port == port]

    def open_connections(self, ports):
        """Server's ends that are not closed; FIN-WAIT-2 without a process is a mere note."""
        over = ("LISTEN", "TIME-WAIT", "SYN-RECV", "SYN-SENT")
        there = [s for s in self.sockets if s.port in ports and s.state not in over]
        there = [s for s in there if not s.pids & self.thieves()]  # what was asked of them directly
        return [s for s in there if s.pids or s.state != "FIN-WAIT-2"]


def _tree(top):
    return {str(p.relative_to(top)) for p in pathlib.Path(top).rglob("*") if not p.is_dir()}
