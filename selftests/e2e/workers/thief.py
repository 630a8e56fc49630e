#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
thief.py ADDRESS PORT [USER]: waits until the address is free, listens there and answers whoever comes.  It
is called `thief`; every answer says who gave it.
"""

import os
import pwd
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


def main():
    address, port, user = sys.argv[1], int(sys.argv[2]), (sys.argv[3:] or ["nobody"])[0]
    with open("/proc/self/comm", "w") as comm:
        comm.write("thief")
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    print("lurking", flush=True)
    listener = listen(address, port)
    print("stole it", flush=True)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


main()
