#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
thief.py ADDRESS PORT [USER [HOW]]: waits until the address is free, listens there and answers whoever comes.  It
is called `thief`; every answer says who gave it.

HOW: `own-table`: a thread does, with a descriptor table of its own; `headless`: one does, and the first has ended.
"""

import ctypes
import os
import platform
import pwd
import signal
import socket
import sys
import threading

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Worker: thief\r\nX-Pid: %d\r\n"
    b"X-Version: 0\r\nConnection: close\r\n\r\nstolen\n"
)


def answer(connection):
    with connection:
        connection.recv(65536)
        connection.sendall(ANSWER % os.getpid())


def listen(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind((address, port))
            listener.listen(100)
            return listener
        except OSError:
            listener.close()


CLONE_FILES = 0x400
LIBC = ctypes.CDLL(None, use_errno=True)


def serve(address, port, alone=False):
    if alone and LIBC.unshare(CLONE_FILES):
        raise OSError(ctypes.get_errno(), "unshare")
    listener = listen(address, port)
    print("stole it", flush=True)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def serve_by_thread(address, port, how):
    threading.Thread(target=serve, args=(address, port, how == "own-table"), daemon=True).start()
    if how == "headless":
        LIBC.syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)  # exit(2): of this thread
    signal.pause()


def main():
    address, port, user = sys.argv[1], int(sys.argv[2]), (sys.argv[3:] or ["nobody"])[0]
    with open("/proc/self/comm", "w") as comm:
        comm.write("thief")
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    print("lurking", flush=True)
    if len(sys.argv) > 4:
        serve_by_thread(address, port, sys.argv[4])
    serve(address, port)


main()
