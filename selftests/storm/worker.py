#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A worker of the storm: starts in a few milliseconds, says who answered, and misbehaves on request.

    GET /        its name and pid          GET /exit    ends at once
    GET /close   closes its listener       GET /fork    leaves a child behind

    worker.py NAME ADDRESS PORT [ignore_term] [late] [inherit]
As a thief: worker.py thief ADDRESS PORT, tries to bind until it can.
"""

import os
import select
import signal
import socket
import sys
import time

NAME, ADDRESS, PORT, *HABITS = sys.argv[1:]
LATE_S = 0.3
connections = {}


def listener():
    if "inherit" in HABITS:
        return socket.socket(fileno=3)
    family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    while True:
        try:
            sock.bind((ADDRESS, int(PORT)))
            sock.listen(128)
            return sock
        except OSError:
            if NAME != "thief":
                raise
            time.sleep(0.002)


def leave_child():
    if not os.fork():
        while True:
            signal.pause()


def perform(path, server):
    if path == b"/exit":
        os._exit(3)
    if path == b"/close":
        server.close()
    if path == b"/fork":
        leave_child()


def answer(sock, server):
    try:
        data = sock.recv(4096)
        if data:
            body = "%s %d\n" % (NAME, os.getpid())
            sock.sendall(
                b"HTTP/1.1 200 OK\r\nX-Worker: %s\r\nX-Pid: %d\r\nContent-Length: %d\r\n\r\n%s"
                % (NAME.encode(), os.getpid(), len(body), body.encode())
            )
            perform(data.split(b" ")[1], server)
            return
    except (OSError, IndexError):
        pass
    del connections[sock.fileno()]
    sock.close()


def accept(server):
    try:
        sock, _ = server.accept()
    except OSError:
        return
    sock.settimeout(5)
    connections[sock.fileno()] = sock


def main():
    if "ignore_term" in HABITS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "late" in HABITS:
        time.sleep(LATE_S)
    server = listener()
    server.setblocking(False)
    print("listening, pid %d" % os.getpid(), flush=True)
    while True:
        watched = [s for s in [server] if s.fileno() >= 0] + list(connections.values())
        for sock in select.select(watched, [], [])[0]:
            if sock is server:
                accept(server)
            else:
                answer(sock, server)


main()
