# SPDX-License-Identifier: Apache-2.0
"""What is sent for a file: conditions, ranges, types, precompressed siblings, directories."""

import email.utils
import os
import re
import time

import pytest

from static_server import Server

pytestmark = pytest.mark.unprivileged

TEXT = b"".join(b"line %05d\n" % n for n in range(4000))  # 44000 bytes: sent from the open file
SHORT = b"0123456789"  # sent from memory
TIME = 1700000000  # Tue, 14 Nov 2023 22:13:20 GMT
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE, AFTER = "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"


def put(path, data, time=TIME):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time, time))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("content")
    put(root / "short.txt", SHORT)
    put(root / "long.txt", TEXT)
    put(root / "empty.css", b"")
    put(root / "dir/index.html", b"<p>index\n")
    put(root / "bare/a file <&>.txt", b"a")
    put(root / "bare/sub/x", b"x")
    put(root / "bare/.hidden", b"x")
    for name in ("all.js", "some.js", "old.js"):
        put(root / name, b"plain " * 1000)
    for suffix in ("br", "zst", "gz"):
        put(root / f"all.js.{suffix}", suffix.encode() * 10)
        put(root / f"old.js.{suffix}", suffix.encode(), TIME - 1)
    put(root / "some.js.gz", b"gz" * 10)
    return root


@pytest.fixture(scope="module")
def server(root):
    with Server(root) as server:
        yield server


def etag(server, path):
    tag = server.get(path)["ETag"]
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', tag)
    return tag


# fields ("TAG" stands for the file's), status
CONDITIONS = [
    ({"If_None_Match": "TAG"}, 304),
    ({"If_None_Match": "W/TAG"}, 304),
    ({"If_None_Match": "*"}, 304),
    ({"If_None_Match": '"x"'}, 200),
    ({"If_None_Match": '"x", "a,b" , TAG'}, 304),
    ({"If_None_Match": '"x",, ,W/TAG,'}, 304),
    ({"If_None_Match": "TAGx"}, 304),
    ({"If_None_Match": "garbage"}, 200),
    ({"If_None_Match": '"x"', "If_Modified_Since": DATE}, 200),
    ({"If_None_Match": "TAG", "If_Modified_Since": BEFORE}, 304),
    ({"If_Modified_Since": DATE}, 304),
    ({"If_Modified_Since": AFTER}, 304),
    ({"If_Modified_Since": BEFORE}, 200),
    ({"If_Modified_Since": "Tuesday, 14-Nov-23 22:13:20 GMT"}, 304),
    ({"If_Modified_Since": "Tue Nov 14 22:13:20 2023"}, 304),
    ({"If_Modified_Since": "Sun Nov  6 08:49:37 1994"}, 200),
    ({"If_Modified_Since": "yesterday"}, 200),
    ({"If_Modified_Since": "Tue, 14 Nov 2023 22:13:20 CET"}, 200),
    ({"If_Modified_Since": "Tue, 99 Nov 2023 22:13:20 GMT"}, 200),
    ({"If_Match": "TAG"}, 200),
    ({"If_Match": "*"}, 200),
    ({"If_Match": '"x", TAG'}, 200),
    ({"If_Match": "W/TAG"}, 412),
    ({"If_Match": '"x"'}, 412),
    ({"If_Match": "TAG", "If_Unmodified_Since": BEFORE}, 200),
    ({"If_Unmodified_Since": DATE}, 200),
    ({"If_Unmodified_Since": AFTER}, 200),
    ({"If_Unmodified_Since": BEFORE}, 412),
    ({"If_Unmodified_Since": "garbage"}, 200),
    ({"If_Match": "TAG", "If_None_Match": "TAG"}, 304),
    ({"If_Match": '"x"', "If_None_Match": "TAG"}, 412),
]


@pytest.mark.parametrize("path", ["/short.txt", "/long.txt"])
@pytest.mark.parametrize("fields, status", CONDITIONS, ids=lambda value: str(value))
def test_condition(server, path, fields, status):
    tag = etag(server, path)
    fields = {name: value.replace("TAG", tag) for name, value in fields.items()}
    for method in ("GET", "HEAD"):
        response = server.get(path, method, **fields)
        assert response.status == status
        if status == 304:
            assert response["ETag"] == tag and response["Last-Modified"] == DATE
            assert response["Content-Type"] is None and response["Content-Length"] is None
    assert server.get("/none", **fields).status == 404


# Range, status, the bytes of SHORT, or a list of (from, to) for several parts
RANGES = [
    ("bytes=0-0", 206, b"0"),
    ("bytes=2-4", 206, b"234"),
    ("bytes=7-", 206, b"789"),
    ("bytes=-3", 206, b"789"),
    ("bytes=-99", 206, SHORT),
    ("bytes=5-99", 206, b"56789"),
    ("bytes=9-99999999999999999999999", 206, b"9"),
    ("Bytes=0-1", 206, b"01"),
    ("bytes= 0-1 ", 206, b"01"),
    ("bytes=,0-1,", 206, b"01"),
    ("bytes=0-9", 206, SHORT),
    ("bytes=10-", 416, None),
    ("bytes=10-12", 416, None),
    ("bytes=-0", 416, None),
    ("bytes=99999999999999999999-", 416, None),
    ("bytes=10-,11-", 416, None),
    ("bytes=20-,0-1", 206, b"01"),
    ("bytes=0-1,4-5", 206, [(0, 2), (4, 6)]),
    ("bytes=4-5, 0-1", 206, [(4, 6), (0, 2)]),
    ("bytes=0-0,-1", 206, [(0, 1), (9, 10)]),
    ("bytes=0-5,3-9", 200, SHORT),  # more than the whole
    ("bytes=" + ",".join(["0-"] * 10), 200, SHORT),
    ("bytes=" + ",".join(["0-0"] * 17), 200, SHORT),
    ("bytes=4-2", 200, SHORT),
    ("bytes=a-b", 200, SHORT),
    ("bytes=1", 200, SHORT),
    ("bytes=", 200, SHORT),
    ("bytes=-", 200, SHORT),
    ("bytes=0-1;2-3", 200, SHORT),
    ("bytes=0x0-1", 200, SHORT),
    ("lines=0-1", 200, SHORT),
    ("0-1", 200, SHORT),
]


def parts_of(response):
    boundary = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", response["Content-Type"])[1]
    pieces = response.body.split(b"\r\n--" + boundary.encode())
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n"
    for piece in pieces[1:-1]:
        head, body = piece.split(b"\r\n\r\n", 1)
        yield dict(line.split(b": ", 1) for line in head.strip().split(b"\r\n")), body


@pytest.mark.parametrize("range_, status, expected", RANGES, ids=[row[0][:40] for row in RANGES])
def test_range(server, range_, status, expected):
    response = server.get("/short.txt", Range=range_)
    assert response.status == status
    if status == 416:
        assert response["Content-Range"] == "bytes */10"
    elif isinstance(expected, list):
        found = list(parts_of(response))
        assert [body for _, body in found] == [SHORT[a:b] for a, b in expected]
        assert [fields[b"Content-Range"] for fields, _ in found] == [
            b"bytes %d-%d/10" % (a, b - 1) for a, b in expected
        ]
        assert all(fields[b"Content-Type"] == b"text/plain; charset=utf-8" for fields, _ in found)
    else:
        assert response.body == expected
        if status == 206:
            start = SHORT.index(expected)
            assert response["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/10"
            assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert server.get("/short.txt", "HEAD", Range=range_).status == 200


def test_ranges_of_a_file_that_is_not_in_memory(server):
    response = server.get("/long.txt", Range="bytes=100-199,40000-,0-0")
    bodies = [body for _, body in parts_of(response)]
    assert bodies == [TEXT[100:200], TEXT[40000:], TEXT[:1]]
    assert server.get("/long.txt", Range="bytes=43990-").body == TEXT[43990:]


def test_range_of_nothing(server):
    assert server.get("/empty.css", Range="bytes=0-").status == 416
    assert server.get("/empty.css", Range="bytes=-1").status == 416
    assert server.get("/empty.css").body == b""


# If-Range, is the range honoured
IF_RANGES = [("TAG", True), ("W/TAG", False), ('"x"', False), (DATE, True), (AFTER, False), (BEFORE, False), ("x", False), ("", False)]


@pytest.mark.parametrize("value, honoured", IF_RANGES)
def test_if_range(server, value, honoured):
    value = value.replace("TAG", etag(server, "/short.txt"))
    response = server.get("/short.txt", Range="bytes=0-1", If_Range=value)
    assert (response.status, response.body) == ((206, b"01") if honoured else (200, SHORT))


def test_two_ranges_in_two_lines(server):
    request = b"GET /short.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n"
    assert server.ask(request).status == 200


def test_a_condition_comes_before_a_range(server):
    tag = etag(server, "/short.txt")
    assert server.get("/short.txt", Range="bytes=0-1", If_None_Match=tag).status == 304
    assert server.get("/short.txt", Range="bytes=0-1", If_Match='"x"').status == 412


def test_fields_of_a_file(server):
    before = time.time()
    response = server.get("/short.txt")
    after = time.time()
    assert response["Last-Modified"] == DATE
    assert response["Content-Length"] == "10" and response["Accept-Ranges"] == "bytes"
    assert response["X-Content-Type-Options"] == "nosniff"
    date = email.utils.parsedate_to_datetime(response["Date"])
    assert before - 2 <= date.timestamp() <= after  # of the second that has begun, kept for one


TYPES = [
    ("a.html", "text/html; charset=utf-8"),
    ("a.CSS", "text/css; charset=utf-8"),
    ("a.svg", "image/svg+xml; charset=utf-8"),
    ("a.png", "image/png"),
    ("a.webp", "image/webp"),
    ("a.woff2", "font/woff2"),
    ("a.mp4", "video/mp4"),
    ("a.json", "application/json"),
    ("a.wasm", "application/wasm"),
    ("a.b.c.css", "text/css; charset=utf-8"),
    ("a", "application/octet-stream"),
    ("a.", "application/octet-stream"),
    ("css", "application/octet-stream"),
    ("a.of-no-known-kind", "application/octet-stream"),
    ("a.mine", "text/x-mine; charset=latin1"),
]


def test_types(tmp_path):
    for name, _ in TYPES:
        put(tmp_path / name, b"x")
    assert type_rows(tmp_path) == [row for row in TYPES if not row[0].endswith("mine")]
    types = tmp_path / "types"
    types.write_text("# mine\ntext/x-mine\tmine other\n\nimage/unused\n")
    with Server(tmp_path, "--mime_types", types, "--charset", "latin1") as server:
        assert server.get("/a.mine")["Content-Type"] == "text/x-mine; charset=latin1"
        assert server.get("/a.png")["Content-Type"] == "image/png"
    with Server(tmp_path, "--charset", "off") as server:
        assert server.get("/a.html")["Content-Type"] == "text/html"


def type_rows(root):
    with Server(root) as server:
        return [
            (name, server.get("/" + name)["Content-Type"])
            for name, _ in TYPES
            if not name.endswith("mine")
        ]


# path, Accept-Encoding, coding sent, does the answer vary
CODINGS = [
    ("/all.js", None, None, True),
    ("/all.js", "identity", None, True),
    ("/all.js", "gzip", "gzip", True),
    ("/all.js", "x-gzip", "gzip", True),
    ("/all.js", "gzip, deflate, br, zstd", "br", True),
    ("/all.js", "gzip, zstd", "zstd", True),
    ("/all.js", "GZIP;q=0.5", "gzip", True),
    ("/all.js", "br;q=0, gzip", "gzip", True),
    ("/all.js", "br ; q=0.000, gzip;q=1.0", "gzip", True),
    ("/all.js", "*", "br", True),
    ("/all.js", "*;q=0", None, True),
    ("/all.js", "*, br;q=0", "zstd", True),
    ("/all.js", "brr, gzipped", None, True),
    ("/all.js", ",;,", None, True),
    ("/some.js", "br, gzip", "gzip", True),
    ("/some.js", "br", None, True),
    ("/old.js", "br, gzip", None, False),
    ("/short.txt", "br, gzip", None, False),
]


@pytest.mark.parametrize("path, accepts, coding, varies", CODINGS)
def test_precompressed(server, path, accepts, coding, varies):
    response = server.get(path, **({"Accept_Encoding": accepts} if accepts else {}))
    suffix = {"br": b"br", "zstd": b"zst", "gzip": b"gz", None: None}[coding]
    plain = SHORT if path == "/short.txt" else b"plain " * 1000
    assert response.body == (suffix * 10 if suffix else plain)
    assert response["Content-Encoding"] == coding
    assert response["Vary"] == ("Accept-Encoding" if varies else None)
    if path != "/short.txt":
        assert "javascript" in response["Content-Type"]


def test_codings_have_their_own_etags_and_ranges(server):
    tags = {server.get("/all.js", Accept_Encoding=c)["ETag"] for c in ("br", "zstd", "gzip", "x")}
    assert len(tags) == 4
    part = server.get("/all.js", Accept_Encoding="gzip", Range="bytes=0-1")
    assert (part.status, part.body, part["Content-Encoding"]) == (206, b"gz", "gzip")
    several = server.get("/all.js", Accept_Encoding="gzip", Range="bytes=0-1,3-4")
    assert (several.status, several["Content-Encoding"]) == (200, "gzip")


def test_precompressed_off(root):
    with Server(root, "--precompressed", "off") as server:
        response = server.get("/all.js", Accept_Encoding="br")
        assert response["Content-Encoding"] is None and response["Vary"] is None


# path, status, Location
DIRECTORIES = [
    ("/dir", 301, "/dir/"),
    ("/dir?a=b?c", 301, "/dir/?a=b?c"),
    ("/dir?", 301, "/dir/?"),
    ("/dir/", 200, None),
    ("/dir//", 200, None),
    ("/dir/.", 200, None),
    ("//dir", 301, "/dir/"),
    ("/%64ir", 301, "/dir/"),
    ("/bare", 301, "/bare/"),
    ("/bare/", 403, None),
    ("/short.txt/", 404, None),
    ("/short.txt/x", 404, None),
]


@pytest.mark.parametrize("path, status, location", DIRECTORIES)
def test_directory(server, path, status, location):
    response = server.get(path)
    assert (response.status, response["Location"]) == (status, location)


def test_index(root):
    put(root / "two/b.htm", b"b")
    with Server(root, "--index", "a.htm", "b.htm") as server:
        assert server.get("/two/").body == b"b"
        assert server.get("/dir/").status == 403
    with Server(root, "--index", "off") as server:
        assert server.get("/dir/").status == 403


def test_listing(root):
    (root / "bare/fifo").exists() or os.mkfifo(root / "bare/fifo")
    with Server(root, "--listing", "on") as server:
        response = server.get("/bare/")
        page = response.body.decode()
        assert response["Content-Type"] == "text/html; charset=utf-8"
        links = re.findall(r'href="([^"]*)"', page)
        assert links == ["../", "./sub/", "./a%20file%20%3C&amp;%3E.txt"]
        assert "a file &lt;&amp;&gt;.txt" in page and "1 B" in page and "2023-11-14 22:13" in page
        assert server.get("/bare/" + links[2][2:].replace("&amp;", "&")).body == b"a"
        assert server.get("/dir/").body == b"<p>index\n"
        assert "../" not in re.findall(r'href="([^"]*)"', server.get("/").body.decode())
        assert server.get("/bare/", "HEAD")["Content-Length"] == str(len(response.body))
