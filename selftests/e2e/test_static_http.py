# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 by RFC 9112 and RFC 9110, row by row, against the real program."""

import pytest

from static_server import Server

pytestmark = pytest.mark.unprivileged

PAGE = b"<h1>hello</h1>\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("http")
    (root / "index.html").write_bytes(PAGE)
    (root / "big.bin").write_bytes(bytes(range(256)) * 4096)
    with Server(root) as server:
        yield server


HOST = b"Host: h\r\n"

# name, request, status, does the connection stay open
ROWS = [
    ("GET", b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", 200, True),
    ("HEAD", b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n", 200, True),
    ("OPTIONS of a path", b"OPTIONS / HTTP/1.1\r\n" + HOST + b"\r\n", 204, True),
    ("OPTIONS of all", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 204, True),
    ("asterisk with GET", b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400, True),
    ("POST", b"POST / HTTP/1.1\r\n" + HOST + b"\r\n", 405, True),
    ("POST with content", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", 405, True),
    ("a method of one's own", b"FOO-1 / HTTP/1.1\r\n" + HOST + b"\r\n", 405, True),
    ("methods are case-sensitive", b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 405, True),
    ("PRI of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, False),
    ("HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", 200, False),
    ("HTTP/1.0 that wants to stay", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, True),
    ("HTTP/1.1 that wants to leave", b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 200, False),
    ("close among other options", b"GET / HTTP/1.1\r\n" + HOST + b"Connection: x, Close ,y\r\n\r\n", 200, False),
    ("close in a second line", b"GET / HTTP/1.1\r\n" + HOST + b"Connection: x\r\nConnection: close\r\n\r\n", 200, False),
    ("a higher minor version", b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 200, True),
    ("HTTP/0.9", b"GET /\r\n\r\n", 400, False),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505, False),
    ("no version number", b"GET / HTTP/x.1\r\n" + HOST + b"\r\n", 400, False),
    ("another protocol", b"GET / HTCP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("lower-case protocol", b"GET / http/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("two spaces", b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("tab as separator", b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("space at the end", b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400, False),
    ("space in the target", b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("no target", b"GET HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("a fragment", b"GET /#a HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("raw bytes in the target", b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("a relative target", b"GET index.html HTTP/1.1\r\n" + HOST + b"\r\n", 400, True),
    ("absolute form", b"GET http://x.test/ HTTP/1.1\r\n" + HOST + b"\r\n", 200, True),
    ("absolute form, https", b"GET HTTPS://x.test/index.html HTTP/1.1\r\n" + HOST + b"\r\n", 200, True),
    ("absolute form without a path", b"GET http://x.test HTTP/1.1\r\n" + HOST + b"\r\n", 200, True),
    ("absolute form, query alone", b"GET http://x.test?q HTTP/1.1\r\n" + HOST + b"\r\n", 200, True),
    ("another scheme", b"GET ftp://x.test/ HTTP/1.1\r\n" + HOST + b"\r\n", 400, True),
    ("a query", b"GET /?a=b&c HTTP/1.1\r\n" + HOST + b"\r\n", 200, True),
    ("CONNECT", b"CONNECT x.test:443 HTTP/1.1\r\n" + HOST + b"\r\n", 405, True),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400, False),
    ("two Hosts", b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, False),
    ("an empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200, True),
    ("a bad Host", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, False),
    ("a Host with port", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200, True),
    ("spaces around a value", b"GET / HTTP/1.1\r\nHost: \t h \t\r\n\r\n", 200, True),
    ("an empty line first", b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n", 200, True),
    ("bare LF", b"GET / HTTP/1.1\nHost: h\n\n", 200, True),
    ("bare CR in a value", b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400, False),
    ("bare CR as a line end", b"GET / HTTP/1.1\rHost: h\r\r", 400, False),
    ("NUL in a value", b"GET / HTTP/1.1\r\n" + HOST + b"A: b\0c\r\n\r\n", 400, False),
    ("NUL in the line", b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n", 400, False),
    ("DEL in a value", b"GET / HTTP/1.1\r\n" + HOST + b"A: \x7f\r\n\r\n", 400, False),
    ("obs-text in a value", b"GET / HTTP/1.1\r\n" + HOST + b"A: \xff\r\n\r\n", 200, True),
    ("obs-fold", b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n", 400, False),
    ("space before the first field", b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, False),
    ("space before the colon", b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400, False),
    ("no colon", b"GET / HTTP/1.1\r\n" + HOST + b"A\r\n\r\n", 400, False),
    ("no name", b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", 400, False),
    ("a name with a bracket", b"GET / HTTP/1.1\r\n" + HOST + b"A(b): c\r\n\r\n", 400, False),
    ("content of a GET", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", 200, True),
    ("chunked content", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n", 200, True),
    ("a bad chunk size", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nz\r\n\r\n", 200, False),
    ("a chunk longer than it says", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 200, False),
    ("bare LF in chunks", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n", 200, False),
    ("a huge chunk size", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 200, False),
    ("both framings", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, False),
    ("both, the other way", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400, False),
    ("two lengths", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, False),
    ("a list of lengths", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 3\r\n\r\nabc", 400, False),
    ("a signed length", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc", 400, False),
    ("a negative length", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: -3\r\n\r\n", 400, False),
    ("a hexadecimal length", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x3\r\n\r\nabc", 400, False),
    ("an empty length", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n", 400, False),
    ("an endless length", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", 400, False),
    ("too much content", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999\r\n\r\n", 413, False),
    ("another coding", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, False),
    ("two codings", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, False),
    ("identity", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n\r\n", 501, False),
    ("chunks in HTTP/1.0", b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, False),
    ("another expectation", b"GET / HTTP/1.1\r\n" + HOST + b"Expect: tea\r\n\r\n", 417, False),
    ("an expectation without content", b"GET / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n", 200, True),
    ("POST that waits for 100", b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 405, False),
    ("a long request line", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, False),
    ("a long line without end", b"GET /" + b"a" * 9000, 414, False),
    ("a large head", b"GET / HTTP/1.1\r\n" + HOST + b"A: b" + b"c" * 17000 + b"\r\n\r\n", 431, False),
    ("a large head without end", b"GET / HTTP/1.1\r\n" + HOST + b"A: b" + b"c" * 17000, 431, False),
    ("many fields", b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 100 + b"\r\n", 431, False),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400, False),
]


@pytest.mark.parametrize("name, request_, status, stays", ROWS, ids=[row[0] for row in ROWS])
def test_row(server, name, request_, status, stays):
    method = request_.split(b" ")[0].decode("latin-1")
    with server.client() as client:
        response = client.send(request_).response(method)
        assert response.status == status
        assert response.version == "HTTP/1.1" and response["Date"].endswith(" GMT")
        if not stays:
            if status >= 400:
                assert response["Connection"] == "close"
            assert client.closed()
            return
        assert response["Connection"] in (None, "keep-alive")
        again = client.send(b"GET /index.html HTTP/1.1\r\nHost: h\r\n\r\n").response()
        assert (again.status, again.body) == (200, PAGE)


@pytest.mark.parametrize("name, request_, status, stays", ROWS, ids=[row[0] for row in ROWS])
def test_row_byte_by_byte(server, name, request_, status, stays):
    """However a request is cut into segments, it means the same."""
    method = request_.split(b" ")[0].decode("latin-1")
    with server.client() as client:
        client.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
        try:
            for at in range(len(request_)) if len(request_) < 300 else ():
                client.send(request_[at : at + 1])
            if len(request_) >= 300:
                for at in range(0, len(request_), 1000):
                    client.send(request_[at : at + 1000])
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.response(method).status == status


def test_allow(server):
    assert server.get("/", "DELETE")["Allow"] == "GET, HEAD, OPTIONS"
    assert server.get("/", "OPTIONS")["Allow"] == "GET, HEAD, OPTIONS"


def test_options_of_all_needs_no_file(tmp_path):
    with Server(tmp_path) as server:
        assert server.get("*", "OPTIONS").status == 204
        assert server.get("/", "OPTIONS").status == 403


def test_head_tells_what_get_would(server):
    got, head = server.get("/"), server.get("/", "HEAD")
    assert head.body == b"" and head["Content-Length"] == str(len(got.body))
    assert {n: v for n, v in head.fields.items() if n != "date"} == {
        n: v for n, v in got.fields.items() if n != "date"
    }


def test_http_1_0_is_told_to_stay(server):
    response = server.ask(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
    assert response["Connection"] == "keep-alive"


def test_100_continue(server):
    with server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
        assert client.response().status == 100
        assert client.response().body == PAGE
        client.send(b"abcGET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.response().body == PAGE


@pytest.mark.parametrize("count", [2, 50, 1000])
def test_pipelining(server, count):
    with server.client() as client:
        for number in range(count):
            path = ("/", "/big.bin", "/none")[number % 3 if count < 1000 else 0]
            client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        for number in range(count):
            response = client.response()
            expected = (len(PAGE), 1 << 20, None)[number % 3 if count < 1000 else 0]
            assert response.status == (200 if expected else 404)
            assert expected is None or len(response.body) == expected


def test_half_a_request_behind_a_whole_one(server):
    """The first response is not held back until the second request is complete."""
    with server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HT")
        assert client.response().body == PAGE
        client.send(b"TP/1.1\r\nHost: h\r\n\r\n")
        assert client.response().body == PAGE


def test_half_close(server):
    """A client that has said all it will still gets its answers."""
    with server.client() as client:
        client.send(b"GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n" * 3)
        client.socket.shutdown(1)
        for _ in range(3):
            assert len(client.response().body) == 1 << 20
        assert client.closed()


def test_refusal_reaches_a_client_that_still_sends(server):
    with server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n")
        client.send(b"x" * 500000)
        assert client.response().status == 413
        assert client.closed()


def test_requests_per_connection(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    with Server(tmp_path, "--requests", 3) as server, server.client() as client:
        client.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n" * 5)
        closing = [client.response()["Connection"] for _ in range(3)]
        assert closing == [None, None, "close"]
        assert client.closed()
