# SPDX-License-Identifier: Apache-2.0
"""lbstatic over loopback: a server that a test starts, and a client that speaks raw bytes to it."""

import atexit
import os
import pathlib
import signal
import socket
import subprocess
import time

from system import DEADLINE

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LBD_BUILD", "build")
PROGRAM = BUILD / "lbstatic"
# The leak checker traces its own process as it ends, which a sandbox forbids.
SANDBOX = ["--sandbox", "off"] if "san" in BUILD.name else []
WAIT_S = DEADLINE


class Response:
    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, self.reason = lines[0].split(" ", 2)
        self.status = int(status)
        self.body = body
        self.lines = lines[1:]
        self.fields = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            self.fields.setdefault(name.lower(), []).append(value.strip())

    def __getitem__(self, name):
        return ", ".join(self.fields[name.lower()]) if name.lower() in self.fields else None

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:80]!r}>"


class Client:
    """One connection."""

    def __init__(self, port, host="127.0.0.1", receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_S)
        self.socket.connect((host, port))
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def more(self):
        got = self.socket.recv(1 << 20)
        self.data += got
        return bool(got)

    def response(self, method="GET"):
        """The next response, or None when the connection ends before it begins."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                assert not self.data, f"cut short: {self.data!r}"
                return None
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        response = Response(head, b"")
        length = response["Content-Length"]
        if method != "HEAD" and response.status not in (100, 204, 304):
            while len(self.data) < int(length):
                assert self.more(), f"cut short at {len(self.data)} of {length}"
            response.body, self.data = self.data[: int(length)], self.data[int(length) :]
        return response

    def widen(self):
        """After a small receive_buffer has held the server up: take all at full speed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        return self

    def closed(self):
        """Waits for the end; True when nothing came before it."""
        try:
            return not self.data and not self.more()
        except ConnectionResetError:
            return True


class Server:
    """An lbstatic on a listener that it inherits: clients may connect before it even runs."""

    def __init__(self, root, *arguments, listen=True, sandbox=None, wrap=(), **popen):
        self.listener = None
        command = [*wrap, str(PROGRAM), "-r", str(root), *map(str, arguments)]
        command += SANDBOX if sandbox is None else ["--sandbox", sandbox]
        if listen:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
            self.port = self.listener.getsockname()[1]
            fd = self.listener.fileno()
            popen["pass_fds"] = (fd,)
            move = "" if fd == 3 else f"3<&{fd} {fd}<&-"
            script = f'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$@" {move}'
            command = ["bash", "-c", script, "bash", *command]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, **popen)
        atexit.register(self.kill)  # of a test that failed before its stop()

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it by SIGTERM; the exit status and what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            said = self.process.communicate(timeout=WAIT_S)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        if self.listener:
            self.listener.close()
        return self.process.returncode, said.decode()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()

    def client(self, **options):
        return Client(self.port, **options)

    def ask(self, request, method=None):
        """The response to raw bytes, or to a path, on a connection of its own."""
        if isinstance(request, str):
            request = f"{method or 'GET'} {request} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        with self.client() as client:
            return client.send(request).response(method or request.split(b" ")[0].decode("latin-1"))

    def get(self, path, method="GET", **fields):
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        return self.ask(f"{method} {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n".encode(), method)


def wait_for(condition):
    """Of another process, with nothing that would tell."""
    deadline = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


def lines_of(path, count):
    """Of a log, when there are so many: it is written after the response."""

    def lines():
        found = path.read_text(errors="surrogateescape").splitlines() if path.exists() else []
        return found if len(found) >= count else None

    return wait_for(lines)
