# SPDX-License-Identifier: Apache-2.0
"""Deadlines, limits, exhaustion, fairness."""

import os
import resource
import select
import socket
import statistics
import struct
import threading
import time

import pytest

from static_server import Client, Server, wait_for
from system import run, sleeps, wait_rest, wait_until

pytestmark = pytest.mark.unprivileged

GET = b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n"
BIG = b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n"
SIZE = 8 << 20


@pytest.fixture(scope="module", autouse=True)
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "small").write_bytes(b"s" * 100)
    (tmp_path / "big").write_bytes(b"0123456789abcdef" * (SIZE // 16))
    return tmp_path


def took(action):
    start = time.monotonic()
    result = action()
    return time.monotonic() - start, result


def at_a_pace(begin, step, deadline_s):
    """
    The client that begin() gave, after three deadlines' time of steps, each well before the deadline.
    Where this process itself came too late for one, it begins again.
    """
    for _ in range(20):
        client, begun = begin(), time.monotonic()
        before = begun
        try:
            while time.monotonic() < begun + 3 * deadline_s:
                step(client)
                before = time.monotonic()
                time.sleep(0.05)  # the pace of the client
            return client
        except (AssertionError, OSError, ValueError):
            if time.monotonic() - before < deadline_s:
                raise
    raise AssertionError("too busy a machine: no client kept its pace")


def test_header_deadline(root):
    with Server(root, "--header_timeout", "300ms") as server:
        seconds, client = took(lambda: after_408(server.client()))
        assert seconds >= 0.3 and client.closed()


def after_408(client):
    response = client.send(b"GET / HT").response()
    assert response.status == 408 and response["Connection"] == "close"
    return client


def test_header_deadline_is_not_moved_by_bytes(root):
    with Server(root, "--header_timeout", "300ms") as server, server.client() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        sent = 0
        while not select.select([client.socket], [], [], 0.05)[0]:
            client.send(b"a")
            sent += 1
            assert sent < 100  # 5 s at least
        assert client.response().status == 408


def test_header_deadline_of_a_second_request(root):
    with Server(root, "--header_timeout", "300ms") as server, server.client() as client:
        client.send(GET).response()
        client.send(b"GET")
        assert client.response().status == 408


def test_header_deadline_is_of_each_request(root):
    """A stream of requests that always ends in the middle of one is no slow request."""

    def served(client):
        client.send(GET[10:] + GET[:10])
        assert client.response().status == 200

    with Server(root, "--header_timeout", "300ms") as server:
        at_a_pace(lambda: server.client().send(GET[:10]), served, 0.3)


@pytest.mark.parametrize("request_", [GET, BIG], ids=["small", "big"])
def test_idle_deadline(root, request_):
    """Whatever the last response was, in one turn or in many."""
    with Server(root, "--idle_timeout", "300ms") as server, server.client() as client:
        seconds, closed = took(lambda: client.send(request_).response() and client.closed())
        assert closed and seconds >= 0.3


def test_content_deadline(root):
    request = GET[:-2] + b"Content-Length: 10\r\n\r\n1234"
    with Server(root, "--header_timeout", "300ms") as server, server.client() as client:
        assert client.send(request).response().status == 200
        assert client.closed()


def test_content_that_does_not_say_how_long_it_is(root):
    """Past the limit nothing more is read for the sake of the connection."""
    chunks = b"1000\r\n" + bytes(4096) + b"\r\n"
    request = GET[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
    with Server(root, "--request_content", "100k") as server:
        for count, stays in ((20, True), (60, False)):
            with server.client() as client:
                assert client.send(request).response().status == 200
                client.send(chunks * count + b"0\r\n\r\n")
                if stays:
                    assert client.send(GET).response().status == 200
                else:
                    assert client.closed()


def test_send_deadline(root):
    with Server(root, "--send_timeout", "300ms") as server:
        with server.client(receive_buffer=4096) as client:
            client.send(BIG).more()
            wait_for(lambda: not connections(server))
        assert server.get("/small").status == 200


def connections(server):
    """Sockets of the server that are not its listener."""
    count = -1
    for fd in os.listdir(f"/proc/{server.pid}/fd"):
        try:
            count += os.readlink(f"/proc/{server.pid}/fd/{fd}").startswith("socket:")
        except FileNotFoundError:
            pass  # closed meanwhile
    return count


def queued(client):
    """Bytes that the kernel holds for a client at its server's end, sent or not."""
    port = client.socket.getsockname()[1]
    return int(run("ss", "-tnH", "state", "established", f"dport = :{port}").stdout.split()[1])


def test_what_a_slow_reader_holds(root):
    """Little, until it has shown that it reads: then the kernel queues what it likes."""
    little = 300 << 10
    with Server(root) as server:
        server.get("/small")  # a connection that came before the server did has not the listener's options
        client = server.client(receive_buffer=4096).send(BIG)
        client.more()
        for _ in range(30):  # each a turn of the server's loop, in which it could send more
            assert server.get("/small").status == 200
        assert 100 << 10 < queued(client) < little
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        while len(client.data) < 2 << 20:
            client.more()
        wait_for(lambda: queued(client) > 2 * little)
        assert len(client.response().body) == SIZE


def test_send_deadline_spares_a_slow_reader(root):


    def reads(client):
        assert client.more()

    with Server(root, "--send_timeout", "400ms") as server:
        begin = lambda: server.client(receive_buffer=65536).send(BIG)
        client = at_a_pace(begin, reads, 0.4)
        assert len(client.widen().response().body) == SIZE


def test_linger_deadline(root):
    """A refused client that never stops sending is left in the end, and so is one that is silent."""
    with Server(root, "--linger_timeout", "300ms") as server:
        with server.client() as client:
            client.send(b"nonsense\r\n\r\n")
            assert client.response().status == 400 and client.closed()
            wait_for(lambda: not connections(server))
        with server.client() as client, pytest.raises((BrokenPipeError, ConnectionResetError)):
            client.send(b"nonsense\r\n\r\n")
            while True:
                client.send(b"x" * 65536)


def test_connection_limit_evicts_who_only_waits(root):
    with Server(root, "--connections", 3) as server:
        clients = [server.client() for _ in range(3)]
        for client in clients:
            client.send(GET).response()
        assert server.client().send(GET).response().status == 200
        assert clients[0].closed()
        assert clients[2].send(GET).response().status == 200


def test_connection_limit_when_all_are_busy(root):
    with Server(root, "--connections", 2) as server:
        busy = [server.client().send(GET[:-2]) for _ in range(2)]
        wait_for(lambda: connections(server) == 2)
        waiting = server.client().send(GET)
        assert not select.select([waiting.socket], [], [], 0.2)[0]
        busy[0].send(b"\r\n").response()
        assert waiting.response().status == 200
        busy[1].socket.close()


def test_few_descriptors(root):
    """Cached files and connections share what there is, and neither takes the other's last one."""
    for number in range(40):
        (root / f"file{number}").write_bytes(b"f" * 20000)
    with Server(root, wrap=["prlimit", "--nofile=64"]) as server:
        for number in range(40):  # the cache holds some open
            assert server.get(f"/file{number}").status == 200
        idle = [server.client() for _ in range(50)]
        for client in idle:
            assert client.send(GET).response().status == 200
        half = [server.client().send(GET[:-2]) for _ in range(20)]
        for number in range(40):
            assert server.get(f"/file{number}").status == 200
        for client in half:
            assert client.send(b"\r\n").response().status == 200


def test_descriptor_exhaustion(root):
    """At EMFILE nobody is dropped: others wait in the queue, and it tries again each 100 ms, no oftener."""
    with Server(root) as server:
        server.get("/small")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (30, 30))
        half = [server.client().send(GET[:-2]) for _ in range(60)]
        wait_for(lambda: connections(server) >= 18)
        before, since = sleeps(server.pid), time.monotonic()
        wait_until(lambda: sleeps(server.pid) >= before + 10)
        assert time.monotonic() - since >= 0.5
        for client in half:
            client.send(b"\r\n")
        for client in half:
            assert client.response().status in (200, 503)
            client.socket.close()
        wait_for(lambda: connections(server) == 0)
        assert server.get("/small").status == 200
        assert server.get("/big").status == 200


@pytest.mark.parametrize("said", [b"", b"G", GET], ids=["nothing", "a byte", "one request"])
def test_a_thousand_silent_connections(root, said):
    with Server(root) as server:
        server.get("/small")
        before = resident(server.pid)
        silent = [server.client() for _ in range(1000)]
        for client in silent:
            if said:
                client.send(said)
            if said == GET:
                client.response()
        assert server.get("/small").status == 200
        if said == GET:
            assert (resident(server.pid) - before) / 1000 < 1024
        for client in silent:
            client.socket.close()


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))


def test_greedy_clients_do_not_starve_a_small_request(root):
    with Server(root) as server:
        stop, large = threading.Event(), []

        def greedy():
            with Client(server.port) as client:
                while not stop.is_set():
                    large.append(took(lambda: client.send(BIG).response())[0])

        threads = [threading.Thread(target=greedy) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            times = [took(lambda: server.get("/small"))[0] for _ in range(20)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert statistics.median(times) < statistics.median(large)


def test_a_pipelining_flood_does_not_starve_a_small_request(root):
    with Server(root) as server:
        flood = server.client()
        flood.socket.setblocking(False)
        for _ in range(200):
            try:
                flood.socket.send(GET * 500)
            except BlockingIOError:
                break
        assert server.get("/small").status == 200


def test_a_full_send_buffer(root):
    """Many clients that take nothing, for two minutes in `make static-check`, and one that does."""
    with Server(root, "--stop_timeout", "100ms", "--send_timeout", "1h") as server:
        stuck = [server.client(receive_buffer=4096).send(BIG) for _ in range(50)]
        for client in stuck:
            client.more()
        assert server.get("/small").status == 200
        wait_rest(server.pid, 2 * float(os.environ.get("LBD_LOAD_SECONDS", 0.2)))  # does not spin on them
        assert server.get("/small").status == 200
        assert len(stuck[7].widen().response().body) == SIZE


@pytest.mark.parametrize("options", [["--cache_files", "0"], ["--cache_files", "2"], ["--cache_size", "2000"], ["--memory_file", "0"], ["--send_chunk", "1000"]])
def test_any_cache_size_serves_the_same(root, options):
    for number in range(10):
        (root / f"f{number}").write_bytes(bytes([48 + number]) * number * 1000)
    with Server(root, *options) as server, server.client() as client:
        for number in [*range(10), *range(10), 3, 3, 9, 1]:
            client.send(f"GET /f{number} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            assert client.response().body == bytes([48 + number]) * number * 1000


def test_a_client_that_resets(root):
    with Server(root) as server:
        for request in (b"GET", GET, BIG, BIG * 3):
            for _ in range(20):
                client = server.client(receive_buffer=4096).send(request)
                client.socket.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: reset
                client.socket.close()
        assert server.get("/small").status == 200
        wait_for(lambda: not connections(server))
        assert server.stop() == (0, "")


def test_a_client_that_resets_in_the_middle_of_pipelined_answers(root):
    """The send that fails closes the connection; of the request behind it nothing is left to act on."""
    with Server(root) as server:
        for taken in range(300):
            client = server.client().send(BIG * 2)
            for _ in range(1 + taken % 5):
                client.more()
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
        assert server.get("/small").status == 200
        wait_for(lambda: not connections(server))
        assert server.stop() == (0, "")


def test_a_file_cut_short_under_pipelined_answers(root):
    with Server(root, "--cache_files", "0") as server:
        with server.client(receive_buffer=4096) as client:
            client.send(BIG + GET)
            client.more()
            os.truncate(root / "big", 0)
            client.widen()
            while client.more():
                pass
        assert len(client.data) < SIZE and client.data.count(b"HTTP/1.1 200") == 1
        assert server.get("/small").status == 200
        assert server.stop() == (0, "")


def test_keeps_no_descriptor(root):
    with Server(root, "--cache_files", 1) as server:
        server.get("/small")
        before = len(os.listdir(f"/proc/{server.pid}/fd"))
        for _ in range(5):
            for path in ("/big", "/small", "/none", "/", "/small/x"):
                server.get(path)
                server.get(path, "HEAD")
        server.get("/small")
        wait_for(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <= before)
