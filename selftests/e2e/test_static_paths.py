# SPDX-License-Identifier: Apache-2.0
"""Path safety: nothing outside the root, no special files, one decoding."""

import os
import pathlib
import socket
import tempfile

import pytest

from static_server import Server

pytestmark = pytest.mark.unprivileged

# target, status
ROWS = [
    ("/a%20b", 200),
    ("/a%2520b", 404),
    ("/%61%20b", 200),
    ("/a b", 400),
    ("/a+b", 404),
    ("/%c3%a4", 200),
    ("/%C3%A4", 200),
    ("/sub%2Fin", 200),
    ("/sub//in", 200),
    ("/./sub/./in", 200),
    ("///sub/in", 200),
    ("/sub/%2e/in", 200),
    ("/../secret", 400),
    ("/sub/../../secret", 400),
    ("/sub/../a%20b", 400),
    ("/%2e%2e/secret", 400),
    ("/%2E./secret", 400),
    ("/..%2fsecret", 400),
    ("/sub/..", 400),
    ("/..", 400),
    ("/...", 404),
    ("/..a", 404),
    ("/a%00b", 400),
    ("/a%0ab", 400),
    ("/%", 400),
    ("/%4", 400),
    ("/%zz", 400),
    ("/%u0041", 400),
    ("/..\\secret", 404),
    ("/.dot", 404),
    ("/sub/.dot", 404),
    ("/%2edot", 404),
    ("/.git/config", 404),
    ("/.well-known/acme", 200),
    ("/.well-known/.dot", 404),
    ("/sub/.well-known/acme", 404),
    ("/fifo", 403),
    ("/socket", 403),
    ("/link-in", 200),
    ("/link-out", 404),
    ("/link-absolute", 404),
    ("/link-up/secret", 404),
    ("/link-loop", 404),
    ("/link-null", 404),
    ("/unreadable", 403),
    ("/" + "a" * 256, 404),
    ("/" + "a/" * 2000, 404),
    ("/" + "a" * 4096, 414),
]


@pytest.fixture(scope="module")
def tree():
    """Below a directory that everybody may enter: root serves it as another user, to whom modes mean something."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield make_tree(pathlib.Path(name))


def make_tree(base):
    root = base / "root"
    for name in ("sub/.well-known", ".well-known", ".git"):
        (root / name).mkdir(parents=True)
    for name in ("a b", "ä", "sub/in", ".dot", "sub/.dot", ".git/config", ".well-known/acme", ".well-known/.dot", "sub/.well-known/acme", "unreadable"):
        (root / name).write_text("x")
    (base / "secret").write_text("secret")
    os.mkfifo(root / "fifo")
    socket.socket(socket.AF_UNIX).bind(str(root / "socket")) if len(str(root)) < 90 else os.mkfifo(root / "socket")
    links = {"in": "sub/in", "out": "../secret", "absolute": str(root / "a b"), "up": "..", "loop": "link-loop", "null": "/dev/null"}
    for name, target in links.items():
        (root / f"link-{name}").symlink_to(target)
    (root / "unreadable").chmod(0)
    return root


@pytest.fixture(scope="module")
def server(tree):
    user = [] if os.geteuid() else ["--user", "nobody"]
    with Server(tree, *user) as server:
        yield server


@pytest.mark.parametrize("target, status", ROWS, ids=[row[0][:40] for row in ROWS])
def test_target(server, target, status):
    response = server.get(target)
    assert response.status == status
    assert b"secret" not in response.body


def test_symlinks_off(tree):
    with Server(tree, "--symlinks", "off") as server:
        assert server.get("/link-in").status == 404
        assert server.get("/sub/in").status == 200


def test_dotfiles_on(tree):
    with Server(tree, "--dotfiles", "on") as server:
        assert server.get("/.dot").status == 200
        assert server.get("/sub/../.dot").status == 400


def test_alias_stays_inside_its_directory(tree):
    with Server(tree / "sub", "--alias", "/media", tree / ".well-known") as server:
        assert server.get("/media/acme").status == 200
        assert server.get("/media").status == 301
        assert server.get("/mediaacme").status == 404
        assert server.get("/media/..%2fsub/in").status == 400


def test_redirect_stays_on_this_host(tree):
    assert server_location(tree, "//sub") == "/sub/"
    assert server_location(tree, "/%2fsub") == "/sub/"


def server_location(tree, target):
    with Server(tree) as server:
        return server.get(target)["Location"]
