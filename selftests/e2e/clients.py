# SPDX-License-Identifier: Apache-2.0
"""Clients inside the test's own process: a response, a connection that stays open, a long poll."""

import re
import select
import socket

from system import DEADLINE


class Response:
    def __init__(self, sock):
        """Reads one HTTP response; ConnectionError when it is cut short."""
        text = b""
        while b"\r\n\r\n" not in text:
            text += self._more(sock)
        head, _, body = text.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v.strip() for k, _, v in (l.partition(":") for l in lines[1:])}
        if self.headers.get("transfer-encoding") == "chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += self._more(sock)
        else:
            while len(body) < int(self.headers.get("content-length", 0)):
                body += self._more(sock)
        self.body = body.decode("latin-1")
        self.worker = self.headers.get("x-worker")
        self.pid = int(self.headers.get("x-pid", 0))
        self.version = self.headers.get("x-version")

    @staticmethod
    def _more(sock):
        data = sock.recv(65536)
        if not data:
            raise ConnectionAbortedError("closed before the response was whole")
        return data


class Connection:
    """A client's connection that stays open."""

    def __init__(self, namespace, host, port, timeout=DEADLINE):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = namespace.socket(family, timeout)
        self.worker = None
        try:
            self.sock.connect((host, port))
        except BaseException:
            self.sock.close()
            raise

    def send(self, path="/", more=""):
        text = "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n" % (path, more)
        self.sock.sendall(text.encode())

    def get(self, path="/"):
        self.send(path)
        response = Response(self.sock)
        self.worker = response.worker or self.worker
        return response

    def get_last(self, path="/"):
        """The worker closes first, so that its count of open connections is down when this returns."""
        self.send(path, "Connection: close\r\n")
        response = Response(self.sock)
        self.wait_end()
        self.close()
        return response

    def is_open(self):
        """Nothing has come: neither data nor an end."""
        return not select.select([self.sock], [], [], 0)[0]

    def wait_end(self, deadline=DEADLINE):
        """Until the other side ends it: "closed" or "reset"."""
        self.sock.settimeout(deadline)
        try:
            while self.sock.recv(65536):
                pass
            return "closed"
        except ConnectionError:
            return "reset"

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Poll(Connection):
    """A long poll: its response's headers have come, the rest has not."""

    def __init__(self, namespace, host, port):
        super().__init__(namespace, host, port)
        self.send("/poll")
        self.text = b""
        while b"\r\n\r\n" not in self.text:
            self.text += Response._more(self.sock)
        self.worker = re.search(rb"X-Worker: (\d+)", self.text).group(1).decode()

    def finish(self):
        """The rest of the response, after /release."""
        while not self.text.endswith(b"0\r\n\r\n"):
            self.text += Response._more(self.sock)
        return b"released" in self.text
