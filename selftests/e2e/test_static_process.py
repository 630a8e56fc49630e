# SPDX-License-Identifier: Apache-2.0
"""lbstatic as a process: options, exit codes, signals, listeners."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from static_server import PROGRAM, ROOT, WAIT_S, Client, Server

pytestmark = pytest.mark.unprivileged


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "www"
    root.mkdir()
    (root / "a").write_bytes(b"a" * 100)
    (root / "big").write_bytes(os.urandom(8 << 20))
    return root


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=WAIT_S)


# arguments (ROOT is a directory), exit status, what the one line says
REFUSED = [
    ([], 2, "no root"),
    (["-r", "ROOT"], 1, "no address"),
    (["-r"], 2, "root: expected DIR"),
    (["-r", "/none/at/all", "-l", "127.0.0.1:1"], 1, "root /none/at/all: No such file"),
    (["-r", "/etc/passwd", "-l", "127.0.0.1:1"], 1, "root /etc/passwd: Not a directory"),
    (["-r", "ROOT", "-l", "127.0.0.1:0"], 1, "found '127.0.0.1:0', allowed: ADDR:PORT"),
    (["-r", "ROOT", "-l", "127.0.0.1:65536"], 1, "allowed: ADDR:PORT"),
    (["-r", "ROOT", "-l", "127.0.0.1"], 1, "allowed: ADDR:PORT"),
    (["-r", "ROOT", "-l", "localhost:80"], 1, "allowed: ADDR:PORT"),
    (["-r", "ROOT", "-l", "::1:80"], 1, "allowed: ADDR:PORT"),
    (["-r", "ROOT", "-l", "192.0.2.1:8081"], 1, "listen 192.0.2.1:8081: Cannot assign"),
    (["--frobnicate"], 2, "unknown option '--frobnicate'; see lbstatic --help"),
    (["-x"], 2, "unknown option '-x'"),
    (["stray"], 2, "unknown option 'stray'"),
    (["-r", "ROOT", "extra"], 2, "unknown option 'extra'"),
    (["-H", "no colon"], 2, "allowed: \"Name: value\""),
    (["-H", "A b: c"], 2, "allowed: \"Name: value\""),
    (["-H", "A: b\nC: d"], 2, "without control characters"),
    (["-H", "Content-Length: 3"], 2, "that lbstatic must set itself"),
    (["--header", "*.css"], 2, "header: expected PATTERN"),
    (["--expires", "*", "soon"], 2, "found 'soon'"),
    (["--listing", "maybe"], 2, "listing: found 'maybe', allowed: on, off"),
    (["--allow", "10.0.0.0/33"], 2, "found '10.0.0.0/33'"),
    (["--allow", "10.0.0"], 2, "found '10.0.0'"),
    (["--alias", "media", "ROOT"], 2, "allowed: a path prefix"),
    (["--try_files", "*", "=200"], 2, "found '=200'"),
    (["--fallback", "*", "index.html"], 2, "allowed: a path from the root"),
    (["--fallback", "*", "/a//b"], 2, "found '/a//b', allowed: a path from the root such as /index.html, without // . .."),
    (["--error_page", "404", "/./a"], 2, "found '/./a'"),
    (["--error_page", "404", "/a/.."], 2, "found '/a/..'"),
    (["--try_files", "*", "$uri/../a", "=404"], 2, "try_files: found '$uri/../a', allowed: a path without // . .."),
    (["--error_page", "200", "/x"], 2, "allowed: a status from 400 to 599"),
    (["--auth", "*", "/none", "a\"b"], 2, "a realm without quotes"),
    (["-r", "ROOT", "-l", "127.0.0.1:1", "--auth", "*", "/none"], 1, "password file /none"),
    (["-r", "ROOT", "-l", "127.0.0.1:1", "--alias", "/m", "/none"], 1, "alias /none"),
    (["-r", "ROOT", "-l", "127.0.0.1:1", "--access_log", "/none/x"], 1, "access_log /none/x"),
    (["-r", "ROOT", "-l", "127.0.0.1:1", "--counters", "/none/x"], 1, "counters /none/x"),
    (["-r", "ROOT", "-l", "127.0.0.1:1", "--mime_types", "/none/x"], 1, "mime_types /none/x"),
    (["--access_log", "x", "xml"], 2, "allowed: common, combined, json"),
    (["--header_timeout", "10"], 2, "a duration such as"),
    (["--request_head", "1"], 2, "a size from 128 to 64k"),
    (["-r", "ROOT"] + ["-H", "A: " + "b" * 900] * 10, 2, "bytes in all, allowed: 8192"),
    (["-c", "/none"], 2, "rules file /none"),
]


@pytest.mark.parametrize("arguments, status, says", REFUSED, ids=lambda value: str(value)[:50])
def test_refused(root, arguments, status, says):
    result = run(*[argument.replace("ROOT", str(root)) for argument in arguments])
    assert (result.returncode, result.stdout) == (status, "")
    assert result.stderr.startswith("lbstatic: ") and result.stderr.count("\n") == 1
    assert says in result.stderr


# text of a rules file, what the line says
BAD_RULES = [
    ("root /tmp\nfrobnicate on\n", ":2: unknown directive 'frobnicate'"),
    ("header *.css\n", ":1: header: expected PATTERN"),
    ('header *.css "A: b\n', ":1: header: a quote without its end"),
    ("index " + "a " * 30 + "\n", ":1: index: expected"),
    ("auth * f\nallow x\n", ":2: allow: found 'x'"),
]


@pytest.mark.parametrize("text, says", BAD_RULES)
def test_bad_rules_file(tmp_path, text, says):
    (tmp_path / "rules").write_text(text)
    result = run("-c", tmp_path / "rules")
    assert result.returncode == 2 and f"{tmp_path}/rules{says}" in result.stderr


def test_bad_passwords(root, tmp_path):
    for text, says in (("ann\n", ":1: expected user:hash"), ("#\nann:secret\n", ":2: the password of ann is in a form"), ("ann:$apr1$x$y\n", "htpasswd -B")):
        (tmp_path / "passwords").write_text(text)
        result = run("-r", root, "-t", "--auth", "*", tmp_path / "passwords")
        assert result.returncode == 1 and says in result.stderr


def test_help_and_version(root):
    for flag in ("-h", "--help"):
        result = run(flag)
        assert result.returncode == 0 and "usage: lbstatic" in result.stdout
        assert "--header PATTERN" in result.stdout
    for flag in ("-V", "--version"):
        assert re.fullmatch(r"lbstatic \d+\.\d+\.\d+\n", run(flag).stdout)
    assert run("-r", root, "-t").returncode == 0


def test_manual_has_every_directive():
    manual = (ROOT / "daemon/static/lbstatic.8").read_text()
    names = re.findall(r"^  --(\w+) ", run("--help").stdout, re.M)
    assert len(names) > 30
    assert [name for name in names if not re.search(rf"^\.B[IR]? .*\b{name}\b", manual, re.M)] == []


def test_address_in_use(root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("-r", root, "-l", f"127.0.0.1:{taken.getsockname()[1]}")
    assert result.returncode == 1 and "Address already in use" in result.stderr


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def connect(port, host="127.0.0.1"):
    """A client of a server that is just starting."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return Client(port, host)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)  # nothing tells when a foreign process listens


GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
BIG = b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize("address, hosts", [("127.0.0.1", ["127.0.0.1"]), ("", ["127.0.0.1"]), ("[::1]", ["::1"]), ("[::]", ["::1", "127.0.0.1"])])
def test_listens(root, address, hosts):
    port = free_port()
    with Server(root, "-l", f"{address}:{port}", listen=False):
        for host in hosts:
            with connect(port, host) as client:
                assert client.send(GET).response().status == 200
        backlog = subprocess.run(["ss", "-ltnH", f"sport = {port}"], capture_output=True, text=True).stdout
        assert " 4096 " in backlog or "4096" in backlog.split()


def test_listens_on_both_families(root):
    port = free_port()
    with Server(root, "-l", f"0.0.0.0:{port}", "-l", f"[::]:{port}", listen=False):
        for host in ("127.0.0.1", "::1"):
            with connect(port, host) as client:
                assert client.send(GET).response().status == 200


def test_stop_when_idle(root):
    server = Server(root)
    assert server.get("/a").status == 200
    assert server.stop() == (0, "")


def test_stop_finishes_what_is_under_way(root):
    """The response being sent, and the request half read, are finished; who only waits is closed."""
    with Server(root) as server:
        idle = [server.client().send(request) for request in (GET, BIG)]
        assert [client.response().status for client in idle] == [200, 200]
        sending = server.client(receive_buffer=4096).send(BIG)
        while b"\r\n\r\n" not in sending.data:
            sending.more()
        half = server.client().send(GET[:-2])
        server.get("/a")  # what came before it has been read
        server.process.send_signal(signal.SIGTERM)
        assert [client.closed() for client in idle] == [True, True]
        half.send(b"\r\n")
        response = half.response()
        assert (response.status, response["Connection"]) == (200, "close") and half.closed()
        assert sending.widen().response().body == (root / "big").read_bytes() and sending.closed()
        assert server.process.wait(WAIT_S) == 0


def freeze(server):
    """Stops it where it is: what comes now it will see together with the next signal."""
    os.kill(server.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED)


def stop_and_thaw(server):
    os.kill(server.pid, signal.SIGTERM)
    os.kill(server.pid, signal.SIGCONT)


def test_stop_answers_a_request_that_came_before_the_signal(root):
    with Server(root) as server:
        clients = [server.client().send(GET) for _ in range(10)]
        for client in clients:
            client.response()
        freeze(server)
        for client in clients:
            client.send(GET)
        stop_and_thaw(server)
        for client in clients:
            response = client.response()
            assert (response.status, response["Connection"]) == (200, "close") and client.closed()


def test_stop_does_not_wait_for_who_says_nothing(root):
    """Neither for one that never did, nor for one whose content ends after the signal."""
    late = ["sh", "-c", 'read _; exec "$@"', "sh"]
    with Server(root, "--stop_timeout", "1h", "--header_timeout", "1h", wrap=late, stdin=subprocess.PIPE) as server:
        silent = server.client()  # before TCP_DEFER_ACCEPT holds it back
        server.process.stdin.write(b"\n")
        server.process.stdin.flush()
        slow = server.client().send(GET[:-2] + b"Content-Length: 3\r\n\r\na")
        assert slow.response().status == 200
        server.get("/a")  # who came before it has been seen
        server.process.send_signal(signal.SIGTERM)
        assert silent.closed()
        slow.send(b"bc")
        assert slow.closed()
        assert server.process.wait(WAIT_S) == 0


def test_stop_serves_what_waits_in_its_queue(root):
    """Connections that the kernel took before the signal are not reset."""
    port = free_port()
    with Server(root, "-l", f"127.0.0.1:{port}", listen=False) as server:
        with connect(port) as client:
            client.send(GET).response()
        freeze(server)
        waiting = [Client(port).send(GET) for _ in range(20)]
        stop_and_thaw(server)
        assert [client.response().status for client in waiting] == [200] * 20
        assert server.process.wait(WAIT_S) == 0


def test_stop_loses_nothing_of_an_inherited_queue(root):
    """Who waits is served, or left to whoever takes the listener on."""
    server = Server(root)
    server.get("/a")
    freeze(server)
    waiting = server.client().send(GET)
    stop_and_thaw(server)
    server.process.communicate(timeout=WAIT_S)
    try:
        accepted, _ = server.listener.accept()
        assert accepted.recv(100) == GET
        accepted.close()
    except BlockingIOError:
        assert waiting.response().status == 200
    waiting.socket.close()
    server.listener.close()


def test_stop_has_a_deadline(root):
    with Server(root, "--stop_timeout", "300ms") as server:
        stuck = server.client(receive_buffer=4096).send(BIG)
        stuck.more()
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(WAIT_S) == 0
        assert time.monotonic() - start >= 0.3


def test_not_for_us(root):
    """LISTEN_FDS of another process is not taken."""
    result = subprocess.run([PROGRAM, "-r", root], env={"LISTEN_PID": "1", "LISTEN_FDS": "1"}, capture_output=True, text=True)
    assert result.returncode == 1 and "no address" in result.stderr


def test_inherited_nonsense(root):
    script = 'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$@" 3</dev/null'
    result = subprocess.run(["bash", "-c", script, "bash", PROGRAM, "-r", root], capture_output=True, text=True)
    assert result.returncode == 1 and "descriptor 3 is not a listening socket" in result.stderr
