#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
HTTP clients that measure: run as a process of its own, in the client's network namespace.

  open       new connections at --rate a second whether or not earlier ones were answered; latency
             counts from the intended start, so that a stall is not hidden by the client's waiting
  burst      --count connections, opened as fast as can be
  keepalive  --count connections, each with one request after the other

Each request ends as one JSON line on standard output: start (intended), opened (connect called),
connected, end (all CLOCK_MONOTONIC seconds), outcome, worker, pid, version.  Outcomes: ok, status,
refused, reset, closed (before the answer was whole), timeout, or the error's name.  SIGTERM ends it
once what is open has been answered; --seconds bounds it in any case.
"""

import argparse
import errno
import heapq
import json
import random
import resource
import select
import signal
import socket
import sys
import time

NAMES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
}


class Request:
    """One request, on a connection that may go on to another."""

    def __init__(self, sock, path, start):
        self.sock, self.path, self.start = sock, path, start
        self.opened = self.connected = None
        self.answer = b""

    def whole(self):
        """The response when all of it is here, as (status, headers), else None."""
        head, mark, body = self.answer.partition(b"\r\n\r\n")
        if not mark:
            return None
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            done = body.endswith(b"0\r\n\r\n")
        else:
            done = len(body) >= int(headers.get("content-length", 0))
        return (int(lines[0].split()[1]), headers) if done else None


class Client:
    def __init__(self, options):
        self.options = options
        self.family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        self.poll = select.epoll()
        self.open = {}  # fd: Request
        self.due = []  # keepalive: (time, n, sock) of the next request
        self.count = 0
        self.stopping = False
        self.random = random.Random(options.seed)
        self.mix = []  # paths, each as often as its weight
        for part in options.path:
            path, _, weight = part.partition("@")
            self.mix += [path] * int(weight or 1)

    def path(self):
        return self.random.choice(self.mix)

    def connect(self, start):
        sock = socket.socket(self.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        request = Request(sock, self.path(), start)
        request.opened = time.monotonic()
        self.open[sock.fileno()] = request
        code = sock.connect_ex((self.options.host, self.options.port))
        if code not in (0, errno.EINPROGRESS):
            return self.finish(request, NAMES.get(code, errno.errorcode.get(code, "error")))
        self.poll.register(sock.fileno(), select.EPOLLOUT)

    def send(self, request):
        keep = "keep-alive" if self.options.mode == "keepalive" else "close"
        text = "GET %s HTTP/1.1\r\nHost: test\r\nConnection: %s\r\n\r\n" % (request.path, keep)
        try:
            request.sock.send(text.encode())
        except OSError as e:
            return self.finish(request, NAMES.get(e.errno, errno.errorcode.get(e.errno)))
        self.poll.modify(request.sock.fileno(), select.EPOLLIN)

    def finish(self, request, outcome, response=None):
        fd = request.sock.fileno()
        self.open.pop(fd, None)
        headers = response[1] if response else {}
        record = {
            "start": request.start,
            "opened": request.opened,
            "connected": request.connected,
            "end": time.monotonic(),
            "outcome": outcome,
            "path": request.path,
            "worker": headers.get("x-worker"),
            "pid": int(headers.get("x-pid", 0)),
            "version": headers.get("x-version"),
        }
        sys.stdout.write(json.dumps(record) + "\n")
        if self.options.mode == "keepalive" and outcome == "ok" and not self.stopping:
            self.count += 1
            heapq.heappush(
                self.due, (time.monotonic() + self.options.think, self.count, request.sock)
            )
            self.poll.modify(fd, 0)
        else:
            request.sock.close()

    def event(self, fd, mask):
        request = self.open.get(fd)
        if not request:
            return
        if request.connected is None:
            code = request.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                return self.finish(request, NAMES.get(code, errno.errorcode.get(code)))
            request.connected = time.monotonic()
            return self.send(request)
        try:
            data = request.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as e:
            return self.finish(request, NAMES.get(e.errno, errno.errorcode.get(e.errno)))
        if not data:
            return self.finish(request, "closed")
        request.answer += data
        response = request.whole()
        if response:
            self.finish(request, "ok" if response[0] == 200 else "status", response)

    def expire(self, now):
        for request in list(self.open.values()):
            if now - request.opened > self.options.timeout:
                self.finish(request, "timeout")

    def begin(self, now):
        """Keepalive connections whose next request is due."""
        while self.due and self.due[0][0] <= now:
            _, _, sock = heapq.heappop(self.due)
            request = Request(sock, self.path(), now)
            request.opened = request.connected = now
            self.open[sock.fileno()] = request
            self.send(request)

    def run(self):
        options = self.options
        begin = next_start = time.monotonic()
        last = begin + options.seconds
        checked = begin
        if options.mode != "open":
            for _ in range(options.count):
                self.connect(time.monotonic())
        while True:
            now = time.monotonic()
            if options.mode == "open" and not self.stopping and now < last:
                while next_start <= now:
                    self.connect(next_start)
                    gap = 1 / options.rate
                    next_start += self.random.expovariate(options.rate) if options.poisson else gap
            self.stopping = self.stopping or now >= last
            if self.stopping:
                for _, _, sock in self.due:
                    sock.close()
                self.due = []
            self.begin(now)
            over = options.mode == "burst" or self.stopping
            if over and not self.open:
                break
            if now - checked > 0.1:
                self.expire(now)
                checked = now
            wait = 0.05
            if options.mode == "open" and not self.stopping:
                wait = min(wait, max(0, next_start - time.monotonic()))
            if self.due:
                wait = min(wait, max(0, self.due[0][0] - time.monotonic()))
            for fd, mask in self.poll.poll(wait):
                self.event(fd, mask)
            sys.stdout.flush()
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("mode", choices=("open", "burst", "keepalive"))
    parser.add_argument("--host", default="192.0.2.1")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--poisson", action="store_true")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--think", type=float, default=0.02)
    parser.add_argument("--path", action="append", help="PATH[@WEIGHT]; several are mixed")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.path = options.path or ["/"]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    client = Client(options)

    def stop(*_):
        client.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    client.run()


if __name__ == "__main__":
    main()
