# SPDX-License-Identifier: Apache-2.0
"""
Serves a file system (FUSE) that never answers one request, and has a child wait for that in execve(2): until this
program ends, whoever reads the child's links in /proc, or takes a descriptor of it, waits as well.
    held_exec.py DIRECTORY [PORT]: where to mount it, in a mount namespace of its own; what the child listens on
Says "asked PID" when the child is about to wait (state D of proc(5)).
"""

import ctypes
import os
import pathlib
import signal
import socket
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_REC, MS_PRIVATE, PR_SET_PDEATHSIG = 0x20000, 0x4000, 0x40000, 1
IO_SETUP, IO_SUBMIT = {"x86_64": (206, 209), "aarch64": (0, 2)}[os.uname().machine]
IOCB_CMD_FSYNC = 2
LOOKUP, FORGET, GETATTR, OPEN, RELEASE, FSYNC, FLUSH, INIT, INTERRUPT = 1, 2, 3, 14, 18, 20, 25, 26, 36
DIRECTORY, FILE = 1, 2  # node numbers
ENOSYS = 38


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def attributes(node):
    mode = 0o040755 if node == DIRECTORY else 0o100666
    return struct.pack("<6Q3I7I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(operation, node):
    """struct fuse_*_out of linux/fuse.h."""
    if operation == INIT:
        return struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, *[0] * 8)
    if operation == LOOKUP:
        return struct.pack("<4Q2I", FILE, 0, 60, 60, 0, 0) + attributes(FILE)
    if operation == GETATTR:
        return struct.pack("<Q2I", 60, 0, 0) + attributes(node)
    if operation == OPEN:
        return struct.pack("<Q2I", 0, 0, 0)
    return b"" if operation in (FLUSH, RELEASE) else None


def serve(fuse, told):
    while True:
        request = os.read(fuse, 1 << 16)
        _, operation, number, node = struct.unpack_from("<IIQQ", request)
        if operation == FSYNC:
            told()
        if operation in (FSYNC, FORGET, INTERRUPT):
            continue
        body = answer(operation, node)
        error = -ENOSYS if body is None else 0
        os.write(fuse, struct.pack("<IiQ", 16 + len(body or b""), error, number) + (body or b""))


def mount(directory):
    check(LIBC.unshare(CLONE_NEWNS))
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fuse
    check(LIBC.mount(b"held", os.fsencode(directory), b"fuse", 0, options.encode()))
    return fuse


def wait_in_execve(directory, port):
    check(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    if port:
        listener = socket.create_server(("127.0.0.1", port))
        listener.set_inheritable(True)
    context = ctypes.c_ulong()
    file = os.open(directory / "file", os.O_RDWR)
    request = ctypes.create_string_buffer(
        struct.pack("<QIIHhIQQqQII", 0, 0, 0, IOCB_CMD_FSYNC, 0, file, 0, 0, 0, 0, 0, 0)
    )
    requests = (ctypes.c_void_p * 1)(ctypes.addressof(request))
    check(LIBC.syscall(IO_SETUP, 1, ctypes.byref(context)))
    check(LIBC.syscall(IO_SUBMIT, context, 1, requests))
    os.execv("/bin/sleep", ["sleep", "1000"])


def main():
    directory, port = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    fuse = mount(directory)
    child = os.fork()
    if not child:
        os.close(fuse)
        wait_in_execve(directory, port)
    serve(fuse, lambda: print("asked", child, flush=True))


main()
