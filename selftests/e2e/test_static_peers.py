# SPDX-License-Identifier: Apache-2.0
"""lbstatic against programs that others wrote: attackers and load generators."""

import os
import re
import subprocess
import time

import pytest

from static_server import Server
from system import DEADLINE

pytestmark = pytest.mark.unprivileged

# A minute in `make static-check`.
SECONDS = int(os.environ.get("LBD_LOAD_SECONDS", 1))
GET = b"GET /index.html HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "index.html").write_bytes(b"<h1>hello</h1>\n")
    (tmp_path / "large").write_bytes(os.urandom(4 << 20))
    return tmp_path


# name, options of slowhttptest
ATTACKS = [
    ("slow headers", ["-H", "-i", "1"]),
    ("slow body", ["-B", "-i", "1", "-s", "60000"]),
    ("range", ["-R", "-a", "1", "-b", "3000"]),
    ("slow read", ["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3"]),
]


def attack(server, options, path, directory):
    url = f"http://127.0.0.1:{server.port}/{path}"
    command = ["slowhttptest", *options, "-c", "300", "-r", "300", "-l", "4", "-p", "1", "-u", url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=directory)


def test_slowhttptest(root, tmp_path):
    """Its four attacks at once, 1200 connections: a normal client is served throughout."""
    with Server(root, "--header_timeout", "3s", "--stop_timeout", "100ms") as server:
        attacks = {
            name: attack(server, options, "large" if name == "slow read" else "index.html", tmp_path)
            for name, options in ATTACKS
        }
        slowest = 0
        while any(process.poll() is None for process in attacks.values()):
            start = time.monotonic()
            response = server.ask(GET)
            slowest = max(slowest, time.monotonic() - start)
            assert response.status == 200
            time.sleep(0.05)  # the pace of a normal client
        print(f"under attack the slowest answer took {1000 * slowest:.1f} ms")
        for name, process in attacks.items():
            assert "service available:" in process.communicate()[0].decode(), name


LOADS = [
    ("kept connections", "/index.html", []),
    ("a connection each", "/index.html", ["-H", "Connection: close"]),
    ("large files", "/large", []),
]


@pytest.mark.parametrize("path, extra", [row[1:] for row in LOADS], ids=[row[0] for row in LOADS])
def test_wrk(root, path, extra):
    with Server(root) as server:
        url = f"http://127.0.0.1:{server.port}{path}"
        said = run("wrk", "--timeout", f"{DEADLINE}s", "-t1", "-c20", f"-d{SECONDS}", *extra, url)
    assert "Socket errors" not in said and "Non-2xx" not in said, said
    assert int(re.search(r"(\d+) requests in", said)[1]) > 0


def test_h2load(root):
    with Server(root) as server:
        url = f"http://127.0.0.1:{server.port}/index.html"
        said = run("h2load", "--h1", "-D", SECONDS, "-c", "20", "-m", "10", url)
    succeeded = int(re.search(r"(\d+) succeeded, 0 failed, 0 errored, 0 timeout", said)[1])
    assert succeeded > 0 and re.search(rf"status codes: {succeeded} 2xx, 0 3xx, 0 4xx, 0 5xx", said), said


def run(*command):
    said = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    print(said)
    return said
