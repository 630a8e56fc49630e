# SPDX-License-Identifier: Apache-2.0
"""What lbstatic notes about its work: the access log and the counters."""

import json
import os
import re
import signal
import struct

import pytest

from static_server import Server, lines_of, wait_for

pytestmark = pytest.mark.unprivileged

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "www"
    root.mkdir()
    (root / "a").write_bytes(b"a" * 100)
    (root / "big").write_bytes(os.urandom(8 << 20))
    return root


QUOTED = b'GET /a?"\\ HTTP/1.1\r\nHost: h\r\nReferer: http://x.test/"\r\nUser-Agent: \xe9\t1\r\n\r\n'
STAMP = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def test_log_common_and_combined(root, tmp_path):
    for form, ends in (("common", [""] * 3), ("combined", [r' "http://x.test/\"" "\xe9\u00091"', ' "-" "-"', ' "-" "-"'])):
        log = tmp_path / form
        with Server(root, "--access_log", log, form) as server:
            server.ask(QUOTED)
            server.get("/none", "HEAD")
            refused = server.ask(b"nonsense\r\n\r\n")
            lines = lines_of(log, 3)
        assert [re.sub(STAMP, "STAMP", line) for line in lines] == [
            r'127.0.0.1 - - STAMP "GET /a?\"\\ HTTP/1.1" 200 100' + ends[0].replace(r"\xe9", "\udce9"),
            '127.0.0.1 - - STAMP "HEAD /none HTTP/1.1" 404 0' + ends[1],
            f'127.0.0.1 - - STAMP "-" 400 {len(refused.body)}' + ends[2],
        ]


def test_log_is_in_local_time(root, tmp_path):
    """Of a zone whose file the sandbox would not let it read any more."""
    zone = tmp_path / "zone"  # RFC 8536: one type, 5 h 30 min east
    zone.write_bytes(b"TZif" + bytes(16) + struct.pack(">6I", 0, 0, 0, 0, 1, 4) + struct.pack(">iBB", 19800, 0, 0) + b"TST\0")
    with Server(root, "--access_log", tmp_path / "log", env=dict(os.environ, TZ=str(zone))) as server:
        server.get("/a")
        assert " +0530] " in lines_of(tmp_path / "log", 1)[0]


def test_log_json(root, tmp_path):
    log = tmp_path / "json"
    with Server(root, "--access_log", log, "json") as server:
        server.ask(QUOTED)
        server.get("/none")
        first, second = map(json.loads, lines_of(log, 2))
    assert first["request"] == 'GET /a?"\\ HTTP/1.1' and first["user_agent"] == "é\t1"
    assert (first["status"], first["bytes"], first["client"], first["host"]) == (200, 100, "127.0.0.1", "h")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["time"]) and first["duration_ms"] >= 0
    assert (second["status"], second["referer"]) == (404, "")


def test_log_of_a_response_that_was_cut(root, tmp_path):
    log = tmp_path / "log"
    with Server(root, "--access_log", log, "json") as server:
        with server.client(receive_buffer=4096) as client:
            client.send(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n").more()
        entry = json.loads(lines_of(log, 1)[0])
    assert entry["status"] == 200 and 0 < entry["bytes"] < 8 << 20


def test_log_on_a_full_disk(root):
    """The lines are lost, the answers are not."""
    with Server(root, "--access_log", "/dev/full") as server:
        for _ in range(3):
            assert server.get("/a").status == 200
        assert server.stop() == (0, "")


def test_log_reopened(root, tmp_path):
    log = tmp_path / "log"
    with Server(root, "--access_log", log, sandbox=None) as server:
        server.get("/a")
        lines_of(log, 1)
        log.rename(tmp_path / "log.1")
        server.process.send_signal(signal.SIGUSR1)
        wait_for(log.exists)
        server.get("/a")
        lines_of(log, 1)
    assert len((tmp_path / "log.1").read_text().splitlines()) == 1


def test_log_to_stderr(root):
    server = Server(root, "--access_log", "stderr", "common")
    server.get("/a")
    assert '"GET /a HTTP/1.1" 200 100' in server.stop()[1]


def read_counters(path):
    data = path.read_bytes()
    records = struct.iter_unpack("24sQ", data)
    return {name.rstrip(b"\0").decode(): value for name, value in records}


def test_counters(root, tmp_path):
    path = tmp_path / "counters"
    with Server(root, "--counters", path) as server:
        with server.client() as client:
            for request, status in ((GET, 200), (GET, 200), (GET.replace(b"/a", b"/none"), 404), (GET[:-2] + b"If-None-Match: *\r\n\r\n", 304)):
                assert client.send(request).response().status == status
            counters = read_counters(path)
    expected = {"connections_accepted": 1, "connections_open": 1, "requests": 4, "responses_2xx": 2, "responses_3xx": 1, "responses_4xx": 1, "responses_5xx": 0, "cache_hits": 2, "cache_misses": 2, "aborted": 0}
    assert {name: counters[name] for name in expected} == expected
    assert counters["bytes_sent"] > 200
