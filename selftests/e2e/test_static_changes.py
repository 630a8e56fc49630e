# SPDX-License-Identifier: Apache-2.0
"""Files that change, shrink, vanish or cannot be read while lbstatic sends them."""

import os
import shutil
import subprocess
import threading

import pytest

from static_server import SANDBOX, Server, wait_for

pytestmark = pytest.mark.unprivileged

GET = b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n"
BIG = b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n"
SIZE = 8 << 20


@pytest.fixture
def root(tmp_path):
    (tmp_path / "small").write_bytes(b"s" * 100)
    (tmp_path / "big").write_bytes(b"0123456789abcdef" * (SIZE // 16))
    return tmp_path


def begin(server, path="/big"):
    """A response whose beginning has arrived, held up by a small buffer."""
    client = server.client(receive_buffer=4096)
    client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    while b"\r\n\r\n" not in client.data:
        client.more()
    return client.widen()


def test_a_file_that_grows_while_it_is_sent(root):
    with Server(root) as server:
        client = begin(server)
        with open(root / "big", "ab") as file:
            file.write(b"more")
        assert len(client.response().body) == SIZE
        assert client.send(GET).response().status == 200


def test_a_file_that_shrinks_while_it_is_sent(root):
    """The promised length cannot be kept: the connection ends, and the client knows."""
    with Server(root) as server:
        client = begin(server)
        os.truncate(root / "big", 1000)
        with pytest.raises(AssertionError, match="cut short"):
            client.response()
        assert server.get("/small").status == 200


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_a_file_that_is_gone_while_it_is_sent(root, change):
    whole = (root / "big").read_bytes()
    with Server(root, "--cache_valid", "0") as server:
        client = begin(server)
        if change == "replaced":
            (root / "new").write_bytes(b"new" * 10000)
            (root / "new").rename(root / "big")
        else:
            (root / "big").unlink()
        assert client.response().body == whole
        after = client.send(BIG).response()
        assert after.status == (200 if change == "replaced" else 404)
        assert change == "deleted" or after.body == b"new" * 10000


@pytest.mark.parametrize("size", [50, 50000])
def test_changes_show(root, size):
    """In place, by replacement, by deletion and return: within cache_valid each is seen."""
    path = root / "page"
    with Server(root, "--cache_valid", "50ms") as server, server.client() as client:

        def body():
            response = client.send(b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n").response()
            return response.body if response.status == 200 else response.status

        def becomes(expected):
            wait_for(lambda: body() == expected)

        assert body() == 404
        path.write_bytes(b"a" * size)
        becomes(b"a" * size)
        path.write_bytes(b"b" * size)
        becomes(b"b" * size)
        path.write_bytes(b"c" * (size // 2))
        becomes(b"c" * (size // 2))
        (root / "new").write_bytes(b"d" * size)
        (root / "new").rename(path)
        becomes(b"d" * size)
        path.unlink()
        becomes(404)
        path.mkdir()
        becomes(301)


def test_a_file_written_all_the_time(root):
    """Whatever moment it is read in, a response has one length and is whole."""
    path = root / "page"
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            path.write_bytes(bytes([97 + number % 26]) * (1 + number * 37 % 3000))

    path.write_bytes(b"a")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        with Server(root, "--cache_valid", "0") as server:
            for _ in range(300):
                with server.client() as client:
                    client.send(b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n")
                    try:
                        assert client.response().status == 200
                    except AssertionError as error:  # cut while it was being sent: and said so
                        assert "cut short" in str(error)
            assert server.process.poll() is None
    finally:
        stop.set()
        thread.join()


def test_a_file_that_is_shorter_than_it_says():
    """sysfs says 4096 for every file: what is not there cannot be sent, and nothing hangs."""
    with Server("/sys/kernel/mm/transparent_hugepage") as server, server.client() as client:
        client.send(b"GET /enabled HTTP/1.1\r\nHost: h\r\n\r\n")
        with pytest.raises(AssertionError, match="cut short"):
            client.response()
        assert server.get("/none").status == 404


FAILING_DISK = r"""
#include <errno.h>
#include <sys/types.h>
ssize_t sendfile(int to, int from, off_t *at, size_t bytes) { errno = EIO; return -1; }
ssize_t sendfile64(int to, int from, off_t *at, size_t bytes) { errno = EIO; return -1; }
ssize_t pread(int fd, void *out, size_t bytes, off_t at) { errno = EIO; return -1; }
ssize_t pread64(int fd, void *out, size_t bytes, off_t at) { errno = EIO; return -1; }
"""


@pytest.mark.skipif(bool(SANDBOX), reason="a sanitizer must come first among the libraries")
def test_a_disk_that_fails(root, tmp_path):
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    source, library = tmp_path / "disk.c", tmp_path / "disk.so"
    source.write_text(FAILING_DISK)
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", library, source], check=True)
    with Server(root, wrap=["env", f"LD_PRELOAD={library}"]) as server:
        for path in ("/big", "/small"):
            with pytest.raises(AssertionError, match="cut short"):
                server.get(path)
        assert server.get("/none").status == 404
        assert server.stop() == (0, "")
