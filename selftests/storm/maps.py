# SPDX-License-Identifier: Apache-2.0
"""
Reads pinned BPF maps, by a few hundred system calls instead of a process each.  The layouts are
those of include/lb/abi.h; one whose size differs is refused.
"""

import collections
import ctypes
import errno
import os
import platform
import socket
import struct

LOOKUP, NEXT_KEY, OBJECT_GET, OBJECT_INFO = 1, 4, 7, 15
NUMBER = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
NO_BACKEND = 0xFFFF
ENABLED = 1 << 0
FEW = 64  # ids are given out from 0 on

Backend = collections.namedtuple("Backend", "generation weight flags max_connections pool queue_full")
Load = collections.namedtuple("Load", "active pad total")
Pool = collections.namedtuple("Pool", "scheduler count ring_entries members")
Service = collections.namedtuple("Service", "id pool flags")

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    result = _libc.syscall(NUMBER, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _address_of(buffer):
    return ctypes.addressof(buffer)


class Map:
    """One pinned map; as a context, its descriptor is open."""

    def __init__(self, path):
        name = ctypes.create_string_buffer(str(path).encode())
        self.fd = _bpf(OBJECT_GET, struct.pack("=QII", _address_of(name), 0, 0))
        info = ctypes.create_string_buffer(24)
        _bpf(OBJECT_INFO, struct.pack("=IIQ", self.fd, 24, _address_of(info)))
        _, _, self.key_size, self.value_size, self.entries, _ = struct.unpack("=6I", info.raw)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def get(self, key):
        """The value's bytes, or None."""
        key = ctypes.create_string_buffer(key, self.key_size)
        value = ctypes.create_string_buffer(self.value_size)
        try:
            _bpf(LOOKUP, struct.pack("=IIQQQ", self.fd, 0, _address_of(key), _address_of(value), 0))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL):
                return None
            raise
        return value.raw

    def keys(self):
        """Of a hash or a trie."""
        last, following = None, ctypes.create_string_buffer(self.key_size)
        while True:
            at = _address_of(last) if last else 0
            try:
                _bpf(NEXT_KEY, struct.pack("=IIQQQ", self.fd, 0, at, _address_of(following), 0))
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return
                raise
            last = ctypes.create_string_buffer(following.raw, self.key_size)
            yield following.raw

    def at(self, index, layout):
        """An array's element."""
        assert struct.calcsize(layout) == self.value_size, (
            "abi.h has changed: %d bytes" % self.value_size
        )
        return struct.unpack(layout, self.get(struct.pack("=I", index)))


def _endpoint(key):
    """Bytes of struct lb_endpoint as text."""
    address, port = key[:16], int.from_bytes(key[16:18], "big")
    if address[:12] == bytes(10) + b"\xff\xff":
        return "%s:%d" % (socket.inet_ntoa(address[12:]), port)
    return "[%s]:%d" % (socket.inet_ntop(socket.AF_INET6, address), port)


class Maps:
    """All that lbd has written, as dictionaries."""

    def __init__(self, directory, every=False):
        self.directory = directory
        self.every = every
        self.backends = self._array("backends", "=IHHIHH", Backend, lambda b: b.generation)
        self.loads = self.read_loads()
        self.pools = self._pools()
        self.backend_ids = self._hash("backend_ids", lambda v: struct.unpack("=HHII", v)[0])
        self.services = self._hash("services", lambda v: Service(*struct.unpack("=HHI", v)))
        self.ports = self._ports()
        self.acl = self._acl()
        self.cookies = self._cookies()

    def read_loads(self):
        """With the total: also of one that was opened and closed between two looks."""
        return self._array("loads", "=IIQ", Load, lambda load: load.total)

    def _open(self, name):
        return Map("%s/%s" % (self.directory, name))

    def _count(self, found):
        return found.entries if self.every else min(FEW, found.entries)

    def _array(self, name, layout, kind, is_used):
        with self._open(name) as found:
            all_of_it = ((i, kind(*found.at(i, layout))) for i in range(self._count(found)))
            return {i: value for i, value in all_of_it if is_used(value)}

    def _pools(self):
        used = {}
        with self._open("pools") as found:
            for i in range(self._count(found)):
                scheduler, count, ring, _flags, *members = found.at(i, "=IIII16H")
                if count:
                    used[i] = Pool(scheduler, count, ring, members[:count])
        return used

    def _hash(self, name, value_of):
        with self._open(name) as found:
            pairs = ((_endpoint(key), found.get(key)) for key in list(found.keys()))
            return {key: value_of(value) for key, value in pairs if value is not None}

    def _ports(self):
        """{port: flags} of those that are not 0."""
        with self._open("service_ports") as found:
            return {port: flags for port, flags in enumerate(found.get(bytes(4))) if flags}

    def _acl(self):
        """Ids of services with rules."""
        with self._open("acl") as found:
            return {struct.unpack("=IH", key[:6])[1] for key in list(found.keys())}

    def _cookies(self):
        """{index of listeners: cookie of the socket}."""
        with self._open("listeners") as found:
            count = found.entries if self.every else 2 * FEW
            pairs = ((i, found.get(struct.pack("=I", i))) for i in range(count))
            return {i: struct.unpack("=Q", value)[0] for i, value in pairs if value}
