# SPDX-License-Identifier: Apache-2.0
"""Rules by pattern: headers, expiry, alias, try_files, fallback, error pages, access, passwords."""

import base64
import re
import socket
import subprocess

import pytest

from static_server import WAIT_S, Server

pytestmark = pytest.mark.unprivileged


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("rules")
    for name in ("index.html", "a.css", "a.js", "docs/a.css", "docs/a.txt", "docs/index.html", "about.html", "app/index.html", "app/x.js", "404.html", "403.html", "private/a.txt", "private/open/a.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "empty").mkdir()
    return root


# options, path, field, value (None: not sent)
HEADERS = [
    (["-H", "X-Worker: me"], "/", "X-Worker", "me"),
    (["-H", "X-Worker: me"], "/none", "X-Worker", None),
    (["-H", "X-A: 1", "-H", "X-B: 2"], "/", "X-B", "2"),
    (["--header", "*.css", "Cache-Control: s-maxage=20"], "/a.css", "Cache-Control", "s-maxage=20"),
    (["--header", "*.css", "Cache-Control: s-maxage=20"], "/docs/a.css", "Cache-Control", "s-maxage=20"),
    (["--header", "*.css", "Cache-Control: s-maxage=20"], "/a.js", "Cache-Control", None),
    (["--header", "/docs", "X: 1"], "/docs/a.txt", "X", "1"),
    (["--header", "/docs", "X: 1"], "/docs/", "X", "1"),
    (["--header", "/doc", "X: 1"], "/docs/a.txt", "X", None),
    (["--header", "/docs/", "X: 1"], "/docs/a.txt", "X", "1"),
    (["--header", "/docs/*.css", "X: 1"], "/docs/a.css", "X", "1"),
    (["--header", "/docs/*.css", "X: 1"], "/a.css", "X", None),
    (["--header", "[ab].css", "X: 1"], "/a.css", "X", "1"),
    (["--header", "*", "X: 1", "--header", "*.css", "X: 2"], "/a.css", "X", "2"),
    (["--header", "*", "X: 1", "--header", "*.css", "X: 2"], "/a.js", "X", "1"),
    (["--header", "*", "Link: a", "--header", "*", "Link: b"], "/a.js", "Link", "a, b"),
    (["--header", "*", "X-Content-Type-Options: none"], "/a.js", "X-Content-Type-Options", "none"),
    (["--header", "*", "Server: mine"], "/a.js", "Server", "mine"),
    (["--header", "*.js", "Content-Type: text/x"], "/a.js", "Content-Type", "text/x"),
    (["--header", "*.js", "Vary: Origin"], "/a.js", "Vary", "Origin"),
    (["--header", "*", "X: 1"], "/docs", "X", "1"),
    (["--header", "*", "X: 1", "--error_page", "404", "/404.html"], "/none", "X", None),
    (["--expires", "*", "1h", "--error_page", "404", "/404.html"], "/none", "Cache-Control", None),
    (["--error_page", "404", "/404.html"], "/none", "X-Content-Type-Options", "nosniff"),
    ([], "/none", "X-Content-Type-Options", "nosniff"),
    ([], "/", "X-Content-Type-Options", "nosniff"),
    (["--expires", "*.css", "10s"], "/a.css", "Cache-Control", "max-age=10"),
    (["--expires", "*.css", "30d"], "/a.css", "Cache-Control", "max-age=2592000"),
    (["--expires", "*.css", "0"], "/a.css", "Cache-Control", "no-cache"),
    (["--expires", "*", "1h", "--expires", "*.css", "off"], "/a.css", "Cache-Control", None),
    (["--expires", "*", "1h", "--header", "*", "Cache-Control: private"], "/a.css", "Cache-Control", "private"),
]


@pytest.mark.parametrize("options, path, field, value", HEADERS)
def test_header(root, options, path, field, value):
    with Server(root, *options) as server:
        assert server.get(path)[field] == value


def test_rule_headers_are_part_of_304(root):
    with Server(root, "--header", "*.css", "Cache-Control: s-maxage=20") as server:
        response = server.get("/a.css", If_None_Match="*")
        assert (response.status, response["Cache-Control"]) == (304, "s-maxage=20")


# options (ROOT is the root), path, status, body
PLACES = [
    (["--alias", "/m", "ROOT/docs"], "/m/a.txt", 200, "docs/a.txt"),
    (["--alias", "/m/", "ROOT/docs"], "/m/", 200, "docs/index.html"),
    (["--alias", "/m", "ROOT/docs"], "/docs/a.txt", 200, "docs/a.txt"),
    (["--alias", "/m", "ROOT/docs", "--alias", "/m/n", "ROOT/app"], "/m/n/x.js", 200, "app/x.js"),
    (["--alias", "*.txt", "ROOT/docs"], "/a.txt", 200, "docs/a.txt"),
    (["--alias", "*.txt", "ROOT/docs"], "/docs/a.txt", 404, None),
    (["--alias", "*.txt", "ROOT/docs"], "/docs/a.css", 200, "docs/a.css"),
    (["--alias", "/d*", "ROOT/app"], "/docs/a.css", 404, None),
    (["--alias", "/[d-x]*.js", "ROOT/app"], "/x.js", 200, "app/x.js"),
    (["--try_files", "*", "$uri", "$uri.html", "=404"], "/about", 200, "about.html"),
    (["--try_files", "*", "$uri", "$uri.html", "=404"], "/a.css", 200, "a.css"),
    (["--try_files", "*", "$uri", "$uri.html", "=404"], "/none", 404, None),
    (["--try_files", "*", "$uri", "=403"], "/none", 403, None),
    (["--try_files", "*", "$uri", "$uri/", "/index.html"], "/docs/", 200, "docs/index.html"),
    (["--try_files", "*", "$uri", "$uri/", "/index.html"], "/docs", 301, None),
    (["--try_files", "*", "$uri", "$uri/", "/index.html"], "/deep/link", 200, "index.html"),
    (["--try_files", "/app", "$uri", "/app/index.html"], "/app/x.js", 200, "app/x.js"),
    (["--try_files", "/app", "$uri", "/app/index.html"], "/app/page/1", 200, "app/index.html"),
    (["--try_files", "/app", "$uri", "/app/index.html"], "/other", 404, None),
    (["--fallback", "/app", "/app/index.html"], "/app/page/1", 200, "app/index.html"),
    (["--fallback", "/app", "/app/index.html"], "/app/x.js", 200, "app/x.js"),
    (["--fallback", "/app", "/app/index.html"], "/other", 404, None),
    (["--fallback", "*", "/none.html"], "/other", 404, None),
    (["--error_page", "404", "/404.html"], "/other", 404, "404.html"),
    (["--error_page", "404", "/404.html"], "/404.html", 200, "404.html"),
    (["--error_page", "404", "/none.html"], "/other", 404, None),
    (["--error_page", "403", "/403.html"], "/empty/", 403, "403.html"),
]


@pytest.mark.parametrize("options, path, status, body", PLACES)
def test_place(root, options, path, status, body):
    options = [option.replace("ROOT", str(root)) for option in options]
    with Server(root, *options) as server:
        response = server.get(path)
        assert response.status == status
        assert body is None or response.body.decode() == body
        if status == 404 and body:
            assert response["ETag"] is None
            assert server.get(path, Range="bytes=0-1", If_None_Match="*").status == 404
            assert server.get(path, "HEAD")["Content-Length"] == str(len(body))


def test_a_sibling_lies_where_the_alias_leads(root, tmp_path):
    for name in ("b.css", "b.css.br"):
        (tmp_path / name).write_text(name)
    with Server(root, "--alias", "*.css", tmp_path) as server:
        response = server.get("/b.css", Accept_Encoding="br")
        assert (response.body, response["Content-Encoding"]) == (b"b.css.br", "br")
        assert response["Content-Type"] == "text/css; charset=utf-8"


# options, path, status (the client is 127.0.0.1)
ACCESS = [
    (["--deny", "all"], "/", 403),
    (["--deny", "127.0.0.0/8"], "/", 403),
    (["--deny", "127.0.0.2"], "/", 200),
    (["--deny", "10.0.0.0/8"], "/", 200),
    (["--allow", "127.0.0.1"], "/", 200),
    (["--allow", "10.0.0.0/8"], "/", 403),
    (["--allow", "10.0.0.0/8", "--allow", "all"], "/", 200),
    (["--deny", "all", "--allow", "127.0.0.0/31"], "/", 200),
    (["--allow", "127.0.0.0/8", "--deny", "127.0.0.1"], "/", 403),
    (["--deny", "127.0.0.1", "--allow", "127.0.0.0/8"], "/", 403),
    (["--deny", "127.0.0.0/31"], "/", 403),
    (["--deny", "127.0.0.2/31"], "/", 200),
    (["--deny", "::/0"], "/", 200),  # IPv6 alone: `all` is of both
    (["--allow", "::/0"], "/", 403),
    (["--deny", "::1"], "/", 200),
    (["--deny", "all", "/private"], "/", 200),
    (["--deny", "all", "/private"], "/private/a.txt", 403),
    (["--deny", "all", "/private"], "//private/a.txt", 403),
    (["--deny", "all", "/private"], "/%70rivate/a.txt", 403),
    (["--deny", "all", "/private"], "/./private/a.txt", 403),
    (["--deny", "all", "/private"], "/private", 403),
    (["--deny", "all", "/private"], "/private/none", 403),
    (["--deny", "all", "*.txt"], "/docs/a.txt", 403),
    (["--deny", "all", "*.txt"], "/docs/a.css", 200),
]


@pytest.mark.parametrize("options, path, status", ACCESS)
def test_access(root, options, path, status):
    with Server(root, *options) as server:
        for _ in range(2):  # made, and from the cache
            assert server.get(path).status == status


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """What can be had in more than one way."""
    root = tmp_path_factory.mktemp("ways")
    names = "adm/index.html adm/a.txt secret.html .html page.html x.js x.js.gz x.js.gz.br y.js lone.gz app/index.html 403.html pub/a.txt pub/b.log pub/b.log.gz pub/in/c.txt pub/in/index.html old.gz/a.txt"
    for name in names.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "link.html").symlink_to("secret.html")
    (root / "link.txt").symlink_to("secret.html")
    return root


TRY = ["--try_files", "*", "$uri", "$uri.html", "$uri/", "=404"]
TEN = ["--allow", "10.0.0.0/8"]

# options (ROOT is the root), path, status, body: the rules hold for the path and for the file that it leads to
WAYS = [
    # an index
    (["--deny", "all", "*.html"], "/adm/index.html", 403, None),
    (["--deny", "all", "*.html"], "/adm/", 403, None),
    (["--deny", "all", "*.html"], "//adm//", 403, None),
    (["--deny", "all", "*.html"], "/./adm/.", 403, None),
    (["--deny", "all", "*.html"], "/adm/a.txt", 200, "adm/a.txt"),
    (["--deny", "all", "*.html"], "/adm", 301, None),
    (["--deny", "all", "/adm/index.html"], "/adm/", 403, None),
    (["--deny", "all", "/adm/index.html"], "/app/", 200, "app/index.html"),
    (["--deny", "all", "/adm/*.html"], "/adm/", 403, None),
    ([*TEN, "/adm/index.html"], "/adm/", 403, None),
    (["--allow", "127.0.0.1", "/adm/index.html"], "/adm/", 200, "adm/index.html"),
    (["--deny", "127.0.0.2", "*.html"], "/adm/", 200, "adm/index.html"),
    (["--deny", "all", "*.html", "--allow", "all", "/adm"], "/adm/", 200, "adm/index.html"),
    (["--allow", "all", "/adm", "--deny", "all", "*.html"], "/adm/", 403, None),
    (["--deny", "all", "--allow", "all", "*.html"], "/adm/", 403, None),
    # try_files
    (["--deny", "all", "*.html", *TRY], "/secret.html", 403, None),
    (["--deny", "all", "*.html", *TRY], "/secret", 403, None),
    (["--deny", "all", "*.html", *TRY], "/%73ecret", 403, None),
    (["--deny", "all", "/secret.html", *TRY], "/secret", 403, None),
    (["--deny", "all", "/secret.html", *TRY], "/page", 200, "page.html"),
    (["--deny", "all", "*.html", *TRY], "/adm/", 403, None),
    (["--deny", "all", "*.html", *TRY], "/adm/a.txt", 200, "adm/a.txt"),
    (["--deny", "all", "*.html", *TRY], "/none", 404, None),
    (["--deny", "all", "/app", "--try_files", "*", "$uri", "/app/index.html"], "/deep", 403, None),
    (["--deny", "all", "/adm", "--listing", "on", "--index", "off", "--try_files", "*", "/adm/"], "/x/", 403, None),
    (["--deny", "all", "/secret", *TRY], "/secret.html", 200, "secret.html"),
    # a suffix makes no name of its own
    (TRY, "/", 404, None),
    (["--try_files", "*", "$uri.."], "/adm/", 404, None),
    # a fallback
    (["--deny", "all", "/app", "--fallback", "*", "/app/index.html"], "/deep/link", 403, None),
    (["--deny", "all", "*.html", "--fallback", "*", "/app/"], "/deep/link", 403, None),
    (["--deny", "all", "/adm", "--fallback", "*", "/app/"], "/deep/link", 200, "app/index.html"),
    (["--deny", "all", "/adm", "--fallback", "*", "/app/"], "/adm/none", 403, None),
    # an error page is for everybody who gets the error, and by its own name as any file
    (["--deny", "all", "--error_page", "403", "/403.html"], "/403.html", 403, "403.html"),
    (["--deny", "all", "*.html", "--error_page", "403", "/403.html"], "/adm/", 403, "403.html"),
    (["--deny", "all", "*.html", "--error_page", "404", "/403.html"], "/none", 404, "403.html"),
    # precompressed siblings: x.js.gz is x.js
    (["--deny", "all", "*.js"], "/x.js", 403, None),
    (["--deny", "all", "*.js"], "/x.js.gz", 403, None),
    (["--deny", "all", "/x.js"], "/x.js.gz", 403, None),
    (["--deny", "all", "*.gz"], "/x.js.gz.br", 403, None),
    (["--deny", "all", "/x.js", "--try_files", "/nice", "/x.js"], "/nice", 403, None),
    (["--deny", "all", "/x.js", "--try_files", "/nice", "/x.js.gz"], "/nice", 403, None),
    (["--deny", "all", "/x.js", "--precompressed", "off"], "/x.js.gz", 200, "x.js.gz"),
    (["--deny", "all", "*.gz"], "/x.js", 200, "x.js.gz"),
    (["--deny", "all", "--allow", "all", "*.gz"], "/x.js.gz", 200, "x.js.gz"),
    (["--deny", "all", "*.js", "--allow", "all", "/x.js.gz"], "/x.js.gz", 200, "x.js.gz"),
    (["--deny", "all", "--allow", "all", "*.js"], "/x.js.gz", 403, None),
    ([*TEN, "*.js"], "/x.js.gz", 403, None),
    (["--allow", "127.0.0.1", "*.js"], "/x.js.gz", 200, "x.js.gz"),
    (["--deny", "all", "*.js"], "/lone.gz", 200, "lone.gz"),
    # a directory with and without its slash
    (["--deny", "all", "/ad[m]"], "/adm", 403, None),
    (["--deny", "all", "/ad[m]"], "/adm/", 403, None),
    (["--deny", "all", "adm"], "/adm/", 403, None),
    (["--deny", "all", "--allow", "all", "/pub/*"], "/pub/in/", 200, "pub/in/index.html"),
    (["--deny", "all", "--allow", "all", "/ad[m]"], "/adm/", 403, None),
    # names, not inodes: a link and an alias are other names
    (["--deny", "all", "/secret.html"], "/link.html", 200, "secret.html"),
    (["--deny", "all", "*.html"], "/link.html", 403, None),
    (["--deny", "all", "*.html"], "/link.txt", 200, "secret.html"),
    (["--deny", "all", "/adm", "--alias", "/m", "ROOT/adm"], "/m/", 200, "adm/index.html"),
    (["--deny", "all", "/m", "--alias", "/m", "ROOT/adm"], "/m/", 403, None),
    (["--deny", "all", "*.html", "--alias", "/m", "ROOT/adm"], "/m/", 403, None),
    (["--deny", "all", "/m/index.html", "--alias", "/m", "ROOT/adm"], "/m/", 403, None),
]


@pytest.mark.parametrize("options, path, status, body", WAYS)
def test_all_ways_to_a_file(site, options, path, status, body):
    options = [option.replace("ROOT", str(site)) for option in options]
    with Server(site, *options) as server:
        for fields in ({}, {"Accept_Encoding": "gzip"}) * 2:  # made, and from the cache
            response = server.get(path, **fields)
            plain = "x.js" if body == "x.js.gz" and path == "/x.js" and not fields else body
            assert response.status == status
            assert plain is None or response.body.decode() == plain
            assert server.get(path, "HEAD", **fields).status == status
            if status == 403:
                assert server.get(path, Range="bytes=0-0", If_None_Match="*", **fields).status == 403


# options, path, what the listing shows beside ../ (None: refused)
LISTINGS = [
    ([], "/pub/", ["in/", "a.txt", "b.log", "b.log.gz"]),
    (["--deny", "all", "*.log"], "/pub/", ["in/", "a.txt"]),
    (["--deny", "all", "*.gz"], "/pub/", ["in/", "a.txt", "b.log"]),
    (["--deny", "all", "/pub/in"], "/pub/", ["a.txt", "b.log", "b.log.gz"]),
    (["--deny", "all", "in"], "/pub/", ["a.txt", "b.log", "b.log.gz"]),
    (["--deny", "all", "/pub/in/index.html"], "/pub/", ["in/", "a.txt", "b.log", "b.log.gz"]),
    (["--deny", "all", "/pub/in/index.html"], "/pub/in/", None),
    (["--deny", "127.0.0.2", "*.log"], "/pub/", ["in/", "a.txt", "b.log", "b.log.gz"]),
    ([*TEN, "*.txt"], "/pub/", ["in/", "b.log", "b.log.gz"]),
    (["--deny", "all", "/pub"], "/pub/", None),
    (["--auth", "/pub/in", "PASSWORDS"], "/pub/", ["a.txt", "b.log", "b.log.gz"]),
    (["--auth", "*.log", "PASSWORDS"], "/pub/", ["in/", "a.txt"]),
    (["--deny", "all", "*.log", "--try_files", "/x", "/pub/"], "/x/", ["in/", "a.txt"]),
    (["--deny", "all", "*.log", "--alias", "/x", "ROOT/pub"], "/x/", ["in/", "a.txt"]),
]


@pytest.mark.parametrize("options, path, names", LISTINGS)
def test_a_listing_tells_nothing_of_what_is_refused(site, passwords, options, path, names):
    options = [option.replace("ROOT", str(site)).replace("PASSWORDS", str(passwords)) for option in options]
    with Server(site, "--listing", "on", *options) as server:
        for _ in range(2):
            response = server.get(path)
            links = re.findall(r'href="\./([^"]*)"', response.body.decode())
            assert (response.status, links) == ((403, []) if names is None else (200, names))


def test_a_listing_is_for_who_asks(site):
    """Of two clients the one that is denied a name does not get the listing made for the other."""
    with Server(site, "--listing", "on", "--deny", "127.0.0.2", "*.log", "--cache_valid", "1h") as server:
        for source, shown in (("127.0.0.1", True), ("127.0.0.2", False)) * 2:
            with socket.create_connection(("127.0.0.1", server.port), WAIT_S, source_address=(source, 0)) as client:
                client.sendall(b"GET /pub/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                page = b"".join(iter(lambda: client.recv(65536), b""))
            assert b"a.txt" in page and (b"b.log" in page) == shown


@pytest.fixture(scope="module")
def passwords(tmp_path_factory):
    path = tmp_path_factory.mktemp("auth") / "passwords"
    hashes = [
        subprocess.run(["openssl", "passwd", form, password], capture_output=True, text=True, check=True).stdout.strip()
        for form, password in (("-6", "sesame"), ("-5", "p:w d"))
    ]
    path.write_text(f"# users\nann:{hashes[0]}\n\nbob:{hashes[1]}:more\n")
    return path


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


# Authorization, status
AUTH = [
    (None, 401),
    (basic("ann:sesame"), 200),
    (basic("bob:p:w d"), 200),
    (basic("ann:sesame").replace("Basic", "bAsIc "), 200),
    (basic("ann:Sesame"), 401),
    (basic("ann:"), 401),
    (basic("ann"), 401),
    (basic(":sesame"), 401),
    (basic("eve:sesame"), 401),
    (basic("ann\0:sesame"), 401),
    (basic("a" * 300 + ":x"), 401),
    ("Basic", 401),
    ("Basic !!!", 401),
    ("Bearer x", 401),
    ("", 401),
]


@pytest.mark.parametrize("value, status", AUTH)
def test_auth(root, passwords, value, status):
    with Server(root, "--auth", "/private", passwords, "Staff only") as server:
        fields = {} if value is None else {"Authorization": value}
        for path in ("/private/a.txt", "/private/a.txt"):
            response = server.get(path, **fields)
            assert response.status == status
            realm = 'Basic realm="Staff only", charset="UTF-8"' if status == 401 else None
            assert response["WWW-Authenticate"] == realm
        assert server.get("/private/none", **fields).status == (401 if status == 401 else 404)
        assert server.get("/docs/a.txt").status == 200


# options (PASSWORDS, OTHERS: files of passwords), path, status without and with ann's
AUTH_WAYS = [
    (["--auth", "*.html", "PASSWORDS"], "/adm/", 401, 200),
    (["--auth", "/adm/index.html", "PASSWORDS"], "/adm/", 401, 200),
    (["--auth", "/adm/index.html", "PASSWORDS"], "/adm/a.txt", 200, 200),
    (["--auth", "/secret.html", "PASSWORDS", *TRY], "/secret", 401, 200),
    (["--auth", "/app", "PASSWORDS", "--fallback", "*", "/app/index.html"], "/deep", 401, 200),
    (["--auth", "*.js", "PASSWORDS"], "/x.js.gz", 401, 200),
    (["--auth", "*.js", "PASSWORDS", "--auth", "*.gz", "OTHERS"], "/x.js.gz", 401, 401),
    (["--auth", "adm", "PASSWORDS"], "/adm/", 401, 200),
    (["--auth", "/adm", "PASSWORDS", "--auth", "*.html", "OTHERS"], "/adm/", 401, 401),
    (["--auth", "*.html", "PASSWORDS", "--deny", "all", "/adm/index.html"], "/adm/", 403, 403),
    (["--auth", "*", "PASSWORDS", "--error_page", "401", "/403.html"], "/adm/", 401, 200),
]


@pytest.mark.parametrize("options, path, without, with_password", AUTH_WAYS)
def test_auth_of_all_ways_to_a_file(site, passwords, tmp_path, options, path, without, with_password):
    others = tmp_path / "others"
    others.write_text(passwords.read_text().replace("ann:", "amy:"))
    names = {"PASSWORDS": passwords, "OTHERS": others}
    with Server(site, *[names.get(option, option) for option in options]) as server:
        for _ in range(2):
            response = server.get(path)
            assert (response.status, response["WWW-Authenticate"] is not None) == (without, without == 401)
            assert server.get(path, Authorization=basic("ann:sesame")).status == with_password


def test_two_authorizations_are_refused(root, passwords):
    with Server(root, "--auth", "*", passwords) as server:
        line = f"Authorization: {basic('ann:sesame')}\r\n"
        assert server.ask(f"GET / HTTP/1.1\r\nHost: h\r\n{line}{line}\r\n".encode()).status == 400


def test_rules_file(root, tmp_path):
    rules = tmp_path / "rules"
    rules.write_text(
        '# as in lbd.conf\nroot "%s";\n  header *.css "X-Say: \\"hi\\"";\nexpires *.js 5m\n\n'
        "deny all /private; \nindex  about.html   index.html ;\n" % root
    )
    with Server(root, "-c", rules) as server:
        assert server.get("/a.css")["X-Say"] == '"hi"'
        assert server.get("/a.js")["Cache-Control"] == "max-age=300"
        assert server.get("/private/a.txt").status == 403
        assert server.get("/").body == b"about.html"
