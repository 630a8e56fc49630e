#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A worker that splices a page into its standard output that nobody can read.

    unreadable.py FILE    an empty file of its own; after SIGUSR1: "before", the page, and "last" when
                          both are gone

FILE becomes a file of its own FUSE server (linux/fuse.h), in a mount namespace of its own.  The page is read
once, well; then a write fails, upon which the kernel holds it for out of date, and the server reads it no more.
"""

import ctypes
import errno
import fcntl
import os
import signal
import struct
import sys
import termios
import time

CLONE_NEWNS, MS_PRIVATE_REC = 0x00020000, 1 << 18 | 1 << 14
PAGE = 4096
GETATTR, OPEN, READ, WRITE, FLUSH, RELEASE, INIT = 3, 14, 15, 16, 25, 18, 26
ATTR = struct.pack(
    "<QII QQQQQQIIIIIIIII4x", 1000, 0, 0, 1, PAGE, 8, 0, 0, 0, 0, 0, 0, 0o100666, 1, 0, 0, 0, PAGE
)

libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def answers():
    """By operation, an error or what follows the header; the file can be read once."""
    pages = iter([b"A" * (PAGE - 1) + b"\n"])
    return {
        INIT: lambda: struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 8, 6, PAGE, 1, 1, 0, 0),
        GETATTR: lambda: ATTR,
        OPEN: lambda: struct.pack("<QII", 1, 0, 0),
        READ: lambda: next(pages, errno.EIO),
        WRITE: lambda: errno.EIO,
        FLUSH: lambda: b"",
        RELEASE: lambda: b"",
    }


def serve(device):
    known = answers()
    while request := os.read(device, 1 << 20):
        _, operation, unique = struct.unpack_from("<IIQ", request)
        answer = known.get(operation, lambda: errno.ENOSYS)()
        error, body = (answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)


def mount(path):
    """Its server is a child process."""
    device = os.open("/dev/fuse", os.O_RDWR)
    checked(libc.unshare(CLONE_NEWNS))
    checked(libc.mount(None, b"/", None, MS_PRIVATE_REC, None))
    options = "fd=%d,rootmode=100666,user_id=0,group_id=0" % device
    checked(libc.mount(b"x", path.encode(), b"fuse", 0, options.encode()))
    if not os.fork():
        libc.prctl(1, signal.SIGKILL)
        serve(device)
    os.close(device)


def unreadable_page(path):
    """In a pipe."""
    mount(path)
    file = os.open(path, os.O_RDWR)
    assert os.fstat(file).st_size == PAGE  # the kernel asks for it only then
    out, into = os.pipe()
    assert os.splice(file, into, PAGE, offset_src=0) == PAGE
    try:
        os.pwrite(file, b"x", 0)
    except OSError as e:
        assert e.errno == errno.EIO
    return out


def is_read():
    left = fcntl.ioctl(sys.stdout, termios.FIONREAD, bytes(4))
    return not struct.unpack("<i", left)[0]


page = unreadable_page(sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.write(1, b"ready\n")
signal.sigwait({signal.SIGUSR1})
os.write(1, b"before\n")
assert os.splice(page, 1, PAGE) == PAGE
while not is_read():
    time.sleep(0.01)
os.write(1, b"last\n")
signal.pause()
