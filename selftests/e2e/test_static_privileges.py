# SPDX-License-Identifier: Apache-2.0
"""What lbstatic gives up once everything is open: its user, and with Landlock and seccomp most else."""

import ctypes
import grp
import os
import pathlib
import pwd
import signal
import tempfile

import pytest

from static_server import SANDBOX, WAIT_S, Server, lines_of

pytestmark = pytest.mark.unprivileged


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "www"
    root.mkdir()
    (root / "a").write_bytes(b"a" * 100)
    return root


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@pytest.mark.skipif(bool(SANDBOX), reason="a sanitized build runs without its sandbox")
def test_privileges(root):
    with Server(root, "--symlinks", "on", sandbox="on") as server:
        assert server.get("/a").status == 200
        status = status_of(server.pid)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_user():
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        for file, mode in (("a", 0o644), ("closed", 0o600)):
            path = pathlib.Path(name) / file
            path.write_bytes(b"a")
            path.chmod(mode)
        with Server(name, "--user", "nobody") as server:
            assert server.get("/a").status == 200
            assert server.get("/closed").status == 403
            status = status_of(server.pid)
            assert status["Uid"].split()[0] != "0" and int(status["CapEff"], 16) == 0
        with Server(name, "--user", "nobody", "--group", "daemon") as server:
            server.get("/a")
            group = str(grp.getgrnam("daemon").gr_gid)
            status = status_of(server.pid)
            assert status["Groups"].split() == [group] and status["Gid"].split() == [group] * 4


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_log_out_of_reach_of_its_user(tmp_path):
    """It was opened in time, is written to, and is no reason to run without Landlock."""
    (tmp_path / "closed").mkdir(0o700)
    log = tmp_path / "closed/log"
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        server = Server(name, "--user", "nobody", "--access_log", log)
        server.get("/a")
        lines_of(log, 1)
        server.process.send_signal(signal.SIGUSR1)
        said = server.process.stderr.readline().decode()
        assert said == f"lbstatic: access_log {log}: Permission denied; the old one is kept\n"
        assert server.get("/a").status == 404 and server.stop() == (0, "")
    assert len(log.read_text().splitlines()) == 2


PLANTED = {
    "link": lambda path, secret: path.symlink_to(secret),
    "hard link": lambda path, secret: path.hardlink_to(secret),
    "FIFO": lambda path, secret: os.mkfifo(path),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("option", ["--access_log", "--counters"])
@pytest.mark.parametrize("plant", PLANTED)
def test_what_its_user_has_planted(tmp_path, root, option, plant):
    """In a directory of that user's: root does not write, make or truncate another file for it."""
    secret, place = tmp_path / "secret", tmp_path / "of-nobody"
    secret.write_text("root's")
    place.mkdir()
    nobody = pwd.getpwnam("nobody").pw_uid
    PLANTED[plant](place / "file", secret)
    os.chown(place, nobody, -1)
    server = Server(root, "--user", "nobody", option, place / "file")
    server.process.wait(WAIT_S)
    status, said = server.stop()
    assert status == 1 and said.count("\n") == 1 and f"{option[2:]} {place}/file: " in said, said
    assert secret.read_text() == "root's"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("plant", PLANTED)
def test_a_log_that_is_opened_anew_as_root(tmp_path, root, plant):
    """It has no user to become: root's rights last, and what was planted meanwhile is refused."""
    secret, place = tmp_path / "secret", tmp_path / "of-nobody"
    secret.write_text("root's")
    place.mkdir()
    os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
    with Server(root, "--access_log", place / "file", sandbox="on") as server:
        server.get("/a")
        lines_of(place / "file", 1)
        (place / "file").rename(place / "old")
        PLANTED[plant](place / "file", secret)
        server.process.send_signal(signal.SIGUSR1)
        said = server.process.stderr.readline().decode()
        assert said.startswith(f"lbstatic: access_log {place}/file: ") and "the old one is kept" in said
        (place / "file").unlink()
        server.process.send_signal(signal.SIGUSR1)
        server.get("/a")
        lines_of(place / "file", 1)
    assert secret.read_text() == "root's"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_unknown_user(root):
    for option, says in ((["--user", "no-such-user"], "user no-such-user"), (["--group", "no-such"], "group no-such")):
        server = Server(root, *option)
        server.process.wait(WAIT_S)
        status, said = server.stop()
        assert status == 1 and says in said


DENY = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
denied = [int(number) for number in sys.argv[1].split(",")]
load, equal, give = 0x20, 0x15, 0x06
allow, enosys, einval = 0x7fff0000, 0x00050000 | 38, 0x00050000 | 22
rows = [Filter(load, 0, 0, 0)]  # the number of the system call
for number in denied:
    rows += [Filter(equal, 0, 1, number), Filter(give, 0, 0, enosys)]
if 317 in denied:  # prctl(PR_SET_SECCOMP) is the other way to the same
    rows += [Filter(equal, 0, 3, 157), Filter(load, 0, 0, 16), Filter(equal, 0, 1, 22), Filter(give, 0, 0, einval)]
rows += [Filter(give, 0, 0, allow)]
program = Program(len(rows), (Filter * len(rows))(*rows))
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""

# system calls that the kernel does not have (444: landlock_create_ruleset, 317: seccomp), what is said
MISSING = [
    ("444", "Landlock: Function not implemented"),
    ("317", "seccomp: Invalid argument"),
    ("444,317", "Landlock: Function not implemented; seccomp: Invalid argument"),
]


@pytest.mark.skipif(bool(SANDBOX) or os.uname().machine != "x86_64", reason="optional: not in a sanitized build, and only with system call numbers of x86-64")
@pytest.mark.parametrize("numbers, says", MISSING)
def test_a_kernel_without_landlock_and_seccomp(root, numbers, says):
    """It serves all the same, and says in one line what it had to do without."""
    server = Server(root, sandbox="on", wrap=["/usr/bin/python3", "-c", DENY, numbers])
    assert server.get("/a").status == 200
    assert server.stop() == (0, f"lbstatic: warning: running without {says}\n")


def has_landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


@pytest.mark.skipif(bool(SANDBOX), reason="a sanitized build runs without its sandbox")
@pytest.mark.skipif(not has_landlock(), reason="optional: a kernel without Landlock")
def test_landlock_holds(root, tmp_path):
    """The log's directory is swapped for another: its owner, and even root, does not get into that one any more."""
    place, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    with Server(root, "--access_log", place / "log") as server:
        server.get("/a")
        place.rename(tmp_path / "old")
        place.symlink_to(elsewhere)
        server.process.send_signal(signal.SIGUSR1)
        assert b"Permission denied; the old one is kept" in server.process.stderr.readline()
        server.get("/a")
    assert len((tmp_path / "old/log").read_text().splitlines()) == 2
    assert not list(elsewhere.iterdir())
