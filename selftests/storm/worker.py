#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A worker of the storm: starts in a few milliseconds, says who answered, and misbehaves on request.

    GET /        its name and pid          GET /exit    ends at once
    GET /close   closes its listener       GET /fork    leaves a child behind
    GET /shutdown  shuts its listener down, for all who have it

    worker.py NAME ADDRESS PORT [ignore_term] [late] [inherit]
As a thief: worker.py thief ADDRESS PORT, tries to bind until it can, and tells of each connection that
came by a service, at another port than its own.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time

NAME, ADDRESS, PORT, *HABITS = sys.argv[1:]
LATE_S, PAUSE_S, THIEF_PAUSE_S = 0.3, 0.05, 0.005
connections = {}


def listen():
    sock = socket.socket(socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((ADDRESS, int(PORT)))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def listener():
    if "inherit" in HABITS:
        return socket.socket(fileno=3)
    if NAME == "thief":
        print("lurking", flush=True)
    while NAME == "thief":
        with contextlib.suppress(OSError):
            return listen()
        time.sleep(THIEF_PAUSE_S)
    return listen()


def leave_child():
    if not os.fork():
        while True:
            signal.pause()


def perform(path, server):
    if path == b"/exit":
        os._exit(3)
    if path == b"/close":
        server.close()
    if path == b"/shutdown":
        server.shutdown(socket.SHUT_RDWR)
    if path == b"/fork":
        leave_child()


def answer(sock, server):
    try:
        data = sock.recv(4096)
        # By the service, as nobody rewrites an address; at its own port a check may still come, of a worker
        # that has closed its listener a moment ago.
        if NAME == "thief" and sock.getsockname()[1] != int(PORT):
            print("stolen: %s sent %r" % (sock.getpeername(), data), flush=True)
        if data:
            body = "%s %d\n" % (NAME, os.getpid())
            sock.sendall(
                b"HTTP/1.1 200 OK\r\nX-Worker: %s\r\nX-Pid: %d\r\nContent-Length: %d\r\n\r\n%s"
                % (NAME.encode(), os.getpid(), len(body), body.encode())
            )
            if NAME != "thief":
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
        time.sleep(PAUSE_S)  # shut down: always "readable", and perhaps listens again
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
