#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Tornado application that the tests run as a worker: says who it is, and misbehaves on request."""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

# At its import Tornado reads all certificates of the host: a quarter of this program's start, and for nothing here.
NO_CERTIFICATES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
os.environ.update(NO_CERTIFICATES)

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web

for name in NO_CERTIFICATES:
    del os.environ[name]

OPTIONS = None
POLLS = set()  # long polls that wait for /release


class Base(tornado.web.RequestHandler):
    def set_default_headers(self):
        self.set_header("X-Worker", str(OPTIONS.port))
        self.set_header("X-Pid", str(os.getpid()))
        self.set_header("X-Version", OPTIONS.version)


class Hello(Base):
    """The peer as the worker sees it."""

    def get(self):
        self.write(self.request.connection.context.address[0] + "\n")


class Sleep(Base):
    """Takes ?s= seconds and lets others pass."""

    under_way = 0

    def prepare(self):
        Sleep.under_way += 1

    def on_finish(self):
        Sleep.under_way -= 1

    async def get(self):
        import asyncio

        await asyncio.sleep(float(self.get_argument("s")))
        self.write("slept\n")


class Block(Base):
    """Takes ?s= seconds and blocks the event loop: everybody behind it waits."""

    def get(self):
        time.sleep(float(self.get_argument("s")))
        self.write("blocked\n")


class Poll(Base):
    """Long polling: headers at once, the rest when /release is asked for."""

    async def get(self):
        import asyncio

        self.flush()
        waiter = asyncio.get_running_loop().create_future()
        POLLS.add(waiter)
        await waiter
        self.write("released\n")


class Release(Base):
    def get(self):
        for waiter in POLLS:
            waiter.set_result(None)
        POLLS.clear()
        self.write("released\n")


class Exit(Base):
    """Ends the process at once with ?code=."""

    def get(self):
        os._exit(int(self.get_argument("code", "0")))


class Health(Base):
    """200 until the file named by --sick exists."""

    def get(self):
        sick = OPTIONS.sick and os.path.exists(OPTIONS.sick)
        self.set_status(503 if sick else 200)
        self.write("sick\n" if sick else "well\n")


class Redirect(Base):
    def get(self):
        self.redirect("/health")


class Environment(Base):
    """What a supervisor set up: environment, directory, ids, limits."""

    def get(self):
        import resource

        umask = os.umask(0)
        os.umask(umask)
        self.write(
            {
                "environment": dict(os.environ),
                "directory": os.getcwd(),
                "uid": os.getuid(),
                "gid": os.getgid(),
                "groups": os.getgroups(),
                "umask": umask,
                "nice": os.getpriority(os.PRIO_PROCESS, 0),
                "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
                "argv": sys.argv,
            }
        )


def notify(text):
    """As sd_notify(3): whether anybody listens is none of the worker's business."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with contextlib.suppress(OSError):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), path.replace("@", "\0", 1) if path[0] == "@" else path)


def sockets():
    """Handed over (LISTEN_FDS), else bound here."""
    if OPTIONS.inherit:
        if os.environ.get("LISTEN_PID") != str(os.getpid()):
            sys.exit("app: LISTEN_PID is %s, not ours" % os.environ.get("LISTEN_PID"))
        found = []
        for fd in range(3, 3 + int(os.environ["LISTEN_FDS"])):
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            found.append(sock)
        return found
    family = socket.AF_INET6 if ":" in OPTIONS.address else socket.AF_INET
    if OPTIONS.dual:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setblocking(False)
        sock.bind(("::", OPTIONS.port))
        sock.listen(OPTIONS.backlog)
        return [sock]
    return tornado.netutil.bind_sockets(
        OPTIONS.port, OPTIONS.address, family=family, backlog=OPTIONS.backlog
    )


def talk():
    """Numbered lines without pause; how many were written whole is in --said."""
    number = 0
    while True:
        sys.stdout.write(
            "".join("%d %09d %s\n" % (OPTIONS.port, number + n, "x" * 80) for n in range(1000))
        )
        sys.stdout.flush()
        number += 1000
        with open(OPTIONS.said + ".new", "w") as said:
            said.write(str(number))
        os.rename(OPTIONS.said + ".new", OPTIONS.said)
        time.sleep(0.01)


def write_mebibytes(count):
    for _ in range(count):
        sys.stdout.write(("x" * 1023 + "\n") * 1024)
    print("end", flush=True)


def ready():
    """READY=1, once --ready-when is there."""
    if OPTIONS.ready_when and not os.path.exists(OPTIONS.ready_when):
        return tornado.ioloop.IOLoop.current().call_later(0.02, ready)
    notify("READY=1")


def pat_dog():
    """WATCHDOG=1 until --hang-when is there; it goes with the hang."""
    if os.path.exists(OPTIONS.hang_when):
        os.unlink(OPTIONS.hang_when)
        time.sleep(1000)
    notify("WATCHDOG=1")
    tornado.ioloop.IOLoop.current().call_later(0.05, pat_dog)


def end_when_idle():
    if Sleep.under_way:
        return tornado.ioloop.IOLoop.current().call_later(0.02, end_when_idle)
    os._exit(0)


def serve():
    handlers = [
        (r"/", Hello),
        (r"/sleep", Sleep),
        (r"/block", Block),
        (r"/poll", Poll),
        (r"/release", Release),
        (r"/exit", Exit),
        (r"/health", Health),
        (r"/redirect", Redirect),
        (r"/environment", Environment),
    ]
    server = tornado.httpserver.HTTPServer(tornado.web.Application(handlers))
    server.add_sockets(sockets())
    ready()
    if OPTIONS.hang_when:
        pat_dog()
    if not OPTIONS.close_output:
        print("listening %d" % OPTIONS.port, flush=True)


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--dual", action="store_true", help="one socket on [::] for both families")
    parser.add_argument("--inherit", action="store_true", help="sockets from LISTEN_FDS")
    parser.add_argument("--backlog", type=int, default=1024)
    parser.add_argument("--delay-listen", type=float, default=0)
    parser.add_argument("--never-listen", action="store_true")
    parser.add_argument("--version", default="1")
    parser.add_argument("--sick", default="", help="a file: /health fails while it is there")
    parser.add_argument("--forks", type=int, default=0, help="children that ignore SIGTERM")
    parser.add_argument("--graceful", action="store_true", help="SIGTERM: finishes first")
    parser.add_argument("--ready-when", default="", help="a file: READY=1 when it is there")
    parser.add_argument("--hang-when", default="", help="a file: WATCHDOG=1 until it is there")
    parser.add_argument("--close-output", action="store_true")
    parser.add_argument("--write", type=int, default=0, help="MiB to standard output, at once")
    parser.add_argument("--said", default="", help="writes without pause, and here how much")
    OPTIONS = parser.parse_args()
    if OPTIONS.close_output:
        os.close(1)
        os.close(2)
    if OPTIONS.said:
        threading.Thread(target=talk, daemon=True).start()
    if OPTIONS.write:
        threading.Thread(target=write_mebibytes, args=[OPTIONS.write], daemon=True).start()
    loop = tornado.ioloop.IOLoop.current()
    if OPTIONS.graceful:
        signal.signal(signal.SIGTERM, lambda *_: loop.add_callback_from_signal(end_when_idle))
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for _ in range(OPTIONS.forks):
        subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done"])
    if OPTIONS.never_listen:
        print("app: will not listen", flush=True)
    elif OPTIONS.delay_listen:
        loop.call_later(OPTIONS.delay_listen, serve)
    else:
        serve()
    loop.start()


if __name__ == "__main__":
    main()
