# SPDX-License-Identifier: Apache-2.0
"""Network namespaces."""

import contextlib
import ctypes
import os
import socket

from system import DEADLINE, run, threads

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(fd):
    if _libc.setns(fd, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """A network namespace with its loopback up."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.path = "/run/netns/" + name
        self.inode = os.stat(self.path).st_ino
        run("ip", "-n", name, "link", "set", "lo", "up")

    def command(self, *words):
        return ["nsenter", "--net=" + self.path, "--"] + [str(w) for w in words]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    @contextlib.contextmanager
    def entered(self):
        """This thread makes its sockets in the namespace; they stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self.path, os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(home)
            os.close(home)
            os.close(there)

    def socket(
        self, family=socket.AF_INET, timeout=DEADLINE, kind=socket.SOCK_STREAM, protocol=0
    ):
        with self.entered():
            sock = socket.socket(family, kind, protocol)
        sock.settimeout(timeout)
        return sock

    def pids(self):
        """Every process inside."""
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        return [pid for pid in pids if any(map(self._has, threads(pid)))]

    def _has(self, thread):
        """One that has ended is in none any more."""
        try:
            return (thread / "ns/net").stat().st_ino == self.inode
        except OSError:
            return False

    def remove(self):
        run("ip", "netns", "delete", self.name, check=False)


def wire(*ends):
    """A veth pair, up: of each of its two ends namespace, device, and addresses of both families."""
    (near, device, *_), (far, peer, *_) = ends
    near.ip("link", "add", device, "type", "veth", "peer", peer, "netns", far.name)
    for space, name, v4, v6 in ends:
        space.ip("address", "add", v4 + "/24", "dev", name)
        space.ip("address", "add", v6 + "/64", "dev", name, "nodad")
        space.ip("link", "set", name, "up")
