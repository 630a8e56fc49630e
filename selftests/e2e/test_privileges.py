# SPDX-License-Identifier: Apache-2.0
"""What lbd's children have of lbd: nothing but what their configuration says, read from /proc."""

import os
import pathlib
import pwd
import re
import socket

import pytest
from lab import BUILD, HERE, PYTHON, run, wait_until, web

NOBODY = pwd.getpwnam("nobody")
BASE = {"PATH", "LANG", "HOME", "USER", "LOGNAME", "SHELL"}
# lbd itself with all that could leak: of the environment, of the capabilities.
SECRET = {"SECRET_OF_LBD": "x", "LISTEN_FDNAMES": "x", "LANG": "C.UTF-8"}
WRAP = ["setpriv", "--inh-caps", "+net_admin,+kill", "--ambient-caps", "+net_admin,+kill"]


class Stage:
    """A directory where any user may write, and programs there that say who they are and stay."""

    def __init__(self, lab):
        lab.short.chmod(0o755)
        self.path = lab.short / "stage"
        self.path.mkdir()
        self.path.chmod(0o1777)

    def program(self, name, then):
        """A command: writes its pid to NAME.pid, then does the rest."""
        path = self.path / name
        path.write_text("#!/bin/sh\numask 022; echo $$ > %s.pid\n%s\n" % (path, then))
        path.chmod(0o755)
        return str(path)

    def waits(self, name):
        """One that ends when it is told to; it forks nothing, for which a shell blocks signals."""
        fifo = self.path / (name + ".go")
        os.mkfifo(fifo)
        fifo.chmod(0o666)
        return self.program(name, "read line < %s" % fifo)

    def go(self, name):
        with open(self.path / (name + ".go"), "w") as fifo:
            fifo.write("go\n")

    def process(self, name):
        path = self.path / (name + ".pid")
        wait_until(lambda: path.exists() and path.read_text().endswith("\n"), name)
        return Proc(int(path.read_text()))


class Proc:
    """What /proc says of a process."""

    def __init__(self, pid):
        self.path = pathlib.Path("/proc/%d" % pid)
        lines = self.path.joinpath("status").read_text().splitlines()
        self.status = dict(line.split(":\t", 1) for line in lines)
        variables = self.path.joinpath("environ").read_text().split("\0")
        self.environ = dict(v.split("=", 1) for v in variables if v)

    def fds(self):
        """{number: what it is}, without what a shell opens to read its program."""
        found = {}
        for fd in self.path.joinpath("fd").iterdir():
            target = os.readlink(fd)
            if not target.startswith(str(self.path_of_program())):
                found[int(fd.name)] = target
        return found

    def path_of_program(self):
        return self.path.joinpath("cmdline").read_text().split("\0")[1]


def expect(proc, variables=BASE, fds=(0, 1, 2), uid=NOBODY.pw_uid):
    ids = "%d\t%d\t%d\t%d"
    assert proc.status["Uid"] == ids % ((uid,) * 4), proc.status
    gid = pwd.getpwuid(uid).pw_gid
    assert proc.status["Gid"] == ids % ((gid,) * 4), proc.status
    assert set(proc.environ) == set(variables)
    assert proc.environ["USER"] == proc.environ["LOGNAME"] == pwd.getpwuid(uid).pw_name
    assert proc.environ["HOME"] == pwd.getpwuid(uid).pw_dir
    assert proc.environ["SHELL"] == pwd.getpwuid(uid).pw_shell
    # A shell keeps a copy of what it redirects until that command is done.
    wait_until(lambda: set(proc.fds()) == set(fds), proc.fds)
    assert proc.fds()[0] == "/dev/null"
    assert int(proc.status["SigBlk"], 16) == 0
    python_ignores = proc.path_of_program() == "-m"
    assert python_ignores or int(proc.status["SigIgn"], 16) == 0
    assert int(proc.status["CapInh"], 16) == 0 and int(proc.status["CapAmb"], 16) == 0
    if uid:
        assert int(proc.status["CapPrm"], 16) == 0 and int(proc.status["CapEff"], 16) == 0


POOL = """
    pool web {
        worker { command "%s"; ports 8081; user nobody; stderr none; %s }
        %s
    }
"""
SERVES = "/usr/bin/python3 -m http.server --bind 127.0.0.1 $port"
OF_WORKER = BASE | {"LBD_WORKER", "NOTIFY_SOCKET"}
OF_INHERIT = OF_WORKER | {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
WORKERS = [
    ("own", "", OF_WORKER, (0, 1, 2)),
    ("variables", "environment A=1 SHELL=/bin/nologin;", OF_WORKER | {"A"}, (0, 1, 2)),
    ("inherit", "listen inherit; dual_stack on;", OF_INHERIT, (0, 1, 2, 3, 4)),
]


@pytest.mark.parametrize("name, options, variables, fds", WORKERS, ids=[w[0] for w in WORKERS])
def test_workers(lab, name, options, variables, fds):
    stage = Stage(lab)
    lab.lbd(POOL % (stage.waits("main"), options, ""), environment=SECRET, wrap=WRAP)
    proc = stage.process("main")
    if "SHELL=" in options:
        assert proc.environ["SHELL"] == "/bin/nologin"
        proc.environ["SHELL"] = NOBODY.pw_shell
    expect(proc, variables, fds)


def test_inherit_environment(lab):
    """For those who ask for it; what is for lbd alone is left out even then."""
    lbd = lab.lbd(POOL % (SERVES, "inherit_environment on;", ""), environment=SECRET)
    lbd.wait_up(1)
    proc = Proc(lbd.pids()["web:8081"])
    assert proc.environ["SECRET_OF_LBD"] == "x" and "LISTEN_FDNAMES" not in proc.environ
    assert proc.environ["USER"] == "nobody"


HOOKS = [("", NOBODY.pw_uid), (" user root", 0), (" user daemon", pwd.getpwnam("daemon").pw_uid)]


@pytest.mark.parametrize("user, uid", HOOKS, ids=["of the worker", "root", "daemon"])
def test_hooks(lab, user, uid):
    stage = Stage(lab)
    hooks = "restart never; before_start %s%s; after_stop %s%s;" % (
        stage.waits("before"), user, stage.waits("after"), user
    )
    lbd = lab.lbd(POOL % (SERVES, hooks, ""), environment=SECRET, wrap=WRAP)
    expect(stage.process("before"), BASE | {"LBD_WORKER"}, uid=uid)
    stage.go("before")
    lbd.wait_up(1)
    expect(Proc(lbd.pids()["web:8081"]), OF_WORKER, (0, 1, 2, 3))
    lbd.ctl("signal", "web:8081", "KILL")
    expect(stage.process("after"), BASE | {"LBD_WORKER"}, uid=uid)
    stage.go("after")
    lbd.wait_worker("web:8081", "exited")


@pytest.mark.parametrize("user, uid", HOOKS, ids=["of the worker", "root", "daemon"])
def test_checks(lab, user, uid):
    stage = Stage(lab)
    check = "health { exec %s%s; timeout 60s; rise 1; }" % (stage.waits("check"), user)
    lbd = lab.lbd(POOL % (SERVES, "", check), environment=SECRET, wrap=WRAP)
    expect(stage.process("check"), BASE | {"LBD_ADDRESS", "LBD_PORT"}, uid=uid)
    stage.go("check")
    lbd.wait_up(1)


OTHERS = {
    "before_start": ("before_start %s user root;", ""),
    "after_stop": ("restart never; after_stop %s user root;", ""),
    "check": ("", "health { exec %s user root; timeout 60s; rise 1; }"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_nothing_of_the_worker_reaches_root(lab, kind):
    """What its user owns: the file that its variables are in, its directory, what its PATH leads to."""
    stage = Stage(lab)
    evil = stage.path / "evil"
    evil.mkdir()
    (evil / "variables").write_text("PATH=%s:/usr/bin:/bin\nFROM_FILE=x\n" % evil)
    (evil / "env").write_text("#!/bin/sh\n/usr/bin/id -u > %s/ran\n" % evil)
    (evil / "env").chmod(0o755)
    for path in (evil, *evil.iterdir()):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    hook, check = OTHERS[kind]
    command = '"env %s"' % stage.waits("other")
    options = "environment_file %s/variables; environment A=1; umask 000; " % evil
    options += "directory %s; inherit_environment on; " % evil + hook.replace("%s", command)
    lbd = lab.lbd(POOL % (SERVES, options, check.replace("%s", command)), environment=SECRET)
    if kind == "after_stop":
        lbd.wait_up(1)
        lbd.ctl("signal", "web:8081", "KILL")
    wait_until(lambda: (evil / "ran").exists() or (stage.path / "other.pid").exists(), kind)
    assert not (evil / "ran").exists(), "as user " + (evil / "ran").read_text()
    own = {"LBD_ADDRESS", "LBD_PORT"} if kind == "check" else {"LBD_WORKER"}
    expect(stage.process("other"), BASE | own, uid=0)
    stage.go("other")
    if kind != "after_stop":
        lbd.wait_up(1)


def test_place_of_another_users_hook(lab):
    """A directory that only root may write, and lbd's own mask, not the worker's."""
    stage = Stage(lab)
    hook = stage.path / "hook"
    hook.write_text("#!/bin/sh\n(pwd; umask) > %s/said\n" % stage.path)
    hook.chmod(0o755)
    options = "before_start %s user root; umask 000; directory %s;" % (hook, stage.path)
    lbd = lab.lbd(POOL % (SERVES, options, ""), wrap=["sh", "-c", 'umask 027; exec "$@"', "sh"])
    lbd.wait_up(1)
    assert (stage.path / "said").read_text().split() == ["/", "0027"]


def test_check_does_not_inherit(lab):
    """Its environment is clean, also where the worker's is not."""
    stage = Stage(lab)
    check = "health { exec %s; timeout 60s; rise 1; }" % stage.waits("check")
    options = "inherit_environment on; environment A=1;"
    lbd = lab.lbd(POOL % (SERVES, options, check), environment=SECRET)
    expect(stage.process("check"), BASE | {"LBD_ADDRESS", "LBD_PORT"})
    stage.go("check")
    lbd.wait_up(1)


def test_check_of_no_worker(lab):
    """No worker whose user it could have: lbd's, unless one is named."""
    stage = Stage(lab)
    lab.app(8081)
    lab.lbd("pool web { backend 127.0.0.1:8081; health { exec %s user nobody; } }"
            % stage.waits("check"), environment=SECRET)
    expect(stage.process("check"), BASE | {"LBD_ADDRESS", "LBD_PORT"})
    stage.go("check")


def capabilities(proc):
    """Inheritable, permitted, effective, bounding, ambient."""
    return [int(proc.status["Cap" + name], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")]


BIND = 1 << 10  # CAP_NET_BIND_SERVICE
CAPABILITIES = [
    ("one, nobody", "nobody", "CAP_NET_BIND_SERVICE", [BIND] * 5),
    ("two, nobody", "nobody", "net_bind_service Cap_Kill", [BIND | 1 << 5] * 5),
    ("none, nobody", "nobody", "none", [0] * 5),
    ("one, root", "root", "CAP_NET_BIND_SERVICE", [BIND] * 5),
    ("none, root", "root", "none", [0] * 5),
]


@pytest.mark.parametrize("name, user, words, sets", CAPABILITIES, ids=[c[0] for c in CAPABILITIES])
def test_capabilities(lab, name, user, words, sets):
    """Of the worker and of its hooks."""
    stage = Stage(lab)
    lab.lbd(
        (POOL % (
            stage.waits("main"),
            "capabilities %s; before_start %s;" % (words, stage.waits("before")),
            "",
        )).replace("user nobody", "user " + user),
        wrap=WRAP,
    )
    assert capabilities(stage.process("before")) == sets
    stage.go("before")
    assert capabilities(stage.process("main")) == sets


def test_hook_of_another_user_is_not_confined(lab):
    """It is there to prepare what the worker may not."""
    stage = Stage(lab)
    hook = "before_start %s user root;" % stage.waits("before")
    lab.lbd(POOL % (stage.waits("main"), "capabilities none; no_new_privileges on; " + hook, ""))
    before = stage.process("before")
    assert before.status["NoNewPrivs"] == "0" and capabilities(before)[1] & BIND
    stage.go("before")
    main = stage.process("main")
    assert main.status["NoNewPrivs"] == "1" and capabilities(main) == [0] * 5


def test_low_port_with_capability(lab):
    """What it is for: a server that is not root, on a port below 1024."""
    options = "capabilities CAP_NET_BIND_SERVICE; no_new_privileges on;"
    lbd = lab.lbd((POOL % (SERVES, options, "")).replace("8081", "81"))
    lbd.wait_up(1)
    assert Proc(lbd.pids()["web:81"]).status["NoNewPrivs"] == "1"


def test_no_new_privileges_is_asked_for(lab):
    lbd = lab.lbd(POOL % (SERVES, "", ""))
    lbd.wait_up(1)
    assert Proc(lbd.pids()["web:8081"]).status["NoNewPrivs"] == "0"


def test_private_tmp(lab):
    lbd = lab.lbd(POOL % (SERVES, "private_tmp on;", ""))
    lbd.wait_up(1)
    root = pathlib.Path("/proc/%d/root" % lbd.pids()["web:8081"])
    for directory in ("tmp", "var/tmp"):
        inside = root / directory
        assert not list(inside.iterdir()) and inside.stat().st_mode & 0o7777 == 0o1777
        (inside / lbd.instance).touch()
        assert not pathlib.Path("/", directory, lbd.instance).exists()


def test_read_only(lab):
    """A directory and all below, other mounts included; what is beside it stays as it was."""
    stage = Stage(lab)
    (stage.path / "in").mkdir()
    lbd = lab.lbd(POOL % (SERVES, "read_only %s /usr;" % (stage.path / "in"), ""))
    lbd.wait_up(1)
    root = pathlib.Path("/proc/%d/root" % lbd.pids()["web:8081"])
    for path in (stage.path / "in" / "x", "/usr/x"):
        with pytest.raises(OSError, match="Read-only"):
            root.joinpath(str(path)[1:]).touch()
    root.joinpath(str(stage.path / "x")[1:]).touch()
    (stage.path / "in" / "y").touch()


def test_everything_read_only(lab):
    """But for a /tmp of its own."""
    lbd = lab.lbd(POOL % (SERVES, "read_only /; private_tmp on;", ""))
    lbd.wait_up(1)
    root = pathlib.Path("/proc/%d/root" % lbd.pids()["web:8081"])
    for path in ("etc/x", "dev/shm/x"):
        with pytest.raises(OSError, match="Read-only"):
            root.joinpath(path).touch()
    root.joinpath("tmp/x").touch()


def mount(lbd, path):
    """Of the host, as lbd sees it, where mounts are shared; in a mount namespace of this lbd's own."""
    run("nsenter", "-t", lbd.pid, "-m", "mount", "-t", "tmpfs", "later", path)


SHARED = ("unshare", "--mount", "--propagation", "shared")


@pytest.mark.parametrize("where", ["below", "on it", "above"])
def test_read_only_and_mounted_later(lab, where):
    """What is mounted after the worker's start is not below a path of its read_only, nor leads to another."""
    stage = Stage(lab)
    path = stage.path / "in"
    (path / "sub").mkdir(parents=True)
    mounted = {"below": path / "sub", "on it": path, "above": stage.path}[where]
    lbd = lab.lbd(POOL % (SERVES, "read_only %s;" % path, ""), wrap=SHARED)
    lbd.wait_up(1)
    mount(lbd, mounted)
    host = pathlib.Path("/proc/%d/root%s" % (lbd.pid, path))
    (host / "sub").mkdir(parents=True, exist_ok=True)
    (host / "sub" / "x").touch()
    root = pathlib.Path("/proc/%d/root%s" % (lbd.pids()["web:8081"], path))
    for name in ("x", "sub/x"):
        with pytest.raises(OSError, match="Read-only"):
            (root / name).touch()
    assert not (root / "sub" / "x").exists()


def test_mounted_later_beside_private_tmp(lab):
    """Which alone leaves the host's mounts to come; the place is none that it hides."""
    lbd = lab.lbd(POOL % (SERVES, "private_tmp on;", ""), wrap=SHARED)
    lbd.wait_up(1)
    mount(lbd, "/media")
    pathlib.Path("/proc/%d/root/media/x" % lbd.pid).touch()
    assert pathlib.Path("/proc/%d/root/media/x" % lbd.pids()["web:8081"]).exists()


# $PPID is lbd, which sees the host's mounts.
UNDO = """
mount -o remount,rw,bind DIR; touch DIR/by-remount
unshare -Um --map-root-user sh -c 'mount -o remount,rw,bind DIR && touch DIR/by-user-namespace'
nsenter -t $PPID -m touch DIR/by-its-namespace
touch /proc/$PPID/rootDIR/by-its-root
umount -l DIR; touch DIR/by-umount
"""


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_read_only_is_not_undone(lab, user):
    """Whoever its user is."""
    stage = Stage(lab)
    inside = stage.path / "in"
    inside.mkdir()
    inside.chmod(0o777)
    go = stage.waits("main")
    tries = stage.program("tries", UNDO.replace("DIR", str(inside)) + "exec " + go)
    text = POOL % (tries, "read_only %s;" % inside, "")
    lab.lbd(text.replace("user nobody", "user " + user))
    stage.process("main")
    assert not list(inside.iterdir())


PAST_MOUNTS = ["sys_admin", "sys_ptrace", "dac_read_search", "mknod", "sys_rawio", "sys_module"]


@pytest.mark.parametrize("option", ["read_only /usr;", "private_tmp on;"])
def test_capabilities_past_mounts(lab, option):
    """A worker of root's has none, nor its check, which is not in its mounts, unless they are named."""
    stage = Stage(lab)
    check = "health { exec %s; timeout 60s; rise 1; }" % stage.waits("check")
    lbd = lab.lbd((POOL % (SERVES, option, check)).replace("user nobody;", ""))
    left = capabilities(Proc(lbd.pid))[3] & ~sum(1 << NAMES.index(name) for name in PAST_MOUNTS)
    assert capabilities(stage.process("check")) == [0, left, left, left, 0]
    assert capabilities(Proc(lbd.pids()["web:8081"])) == [0, left, left, left, 0]
    stage.go("check")
    named = lab.lbd((POOL % (SERVES, option + "capabilities sys_admin;", "")).replace("8081", "8082"))
    named.wait_up(1)
    bit = 1 << NAMES.index("sys_admin")
    assert capabilities(Proc(named.pids()["web:8082"])) == [bit] * 5


def test_without_rights_to_confine(lab):
    """In a container that may not mount: one line that says what is missing."""
    lbd = lab.lbd(
        POOL % (SERVES, "private_tmp on;", ""),
        wrap=["setpriv", "--bounding-set=-sys_admin"],
        ready=False,
    )
    assert lbd.wait() == 1
    line = lbd.output().splitlines()[-1]
    assert "pool web" in line and "cap_sys_admin" in line and "lbctl reexec" in line


NAMES = run("setpriv", "--list-caps").stdout.split()


def named_in_manual():
    """The capabilities that lbd.8 gives a reason for, as a set."""
    page = (HERE.parent.parent / "daemon" / "lbd.8").read_text()
    named = re.findall(r"^\.(?:B|BR) (CAP_[A-Z_]+)", page, re.M)
    assert len(named) > 5 and len(set(named)) == len(named)
    return sum(1 << NAMES.index(name[4:].lower()) for name in named)


def test_own_capabilities(lab):
    """lbd has what its manual gives a reason for; a worker of root's has what lbd was started with."""
    lbd = lab.lbd((POOL % (SERVES, "", "")).replace("user nobody;", ""))
    lbd.wait_up(1)
    all_of_them = capabilities(Proc(lbd.pid))[3]
    kept = named_in_manual() & all_of_them  # a container may have withheld some
    assert capabilities(Proc(lbd.pid)) == [0, kept, kept, all_of_them, 0]
    worker = capabilities(Proc(lbd.pids()["web:8081"]))
    assert worker == [0, all_of_them, all_of_them, all_of_them, 0]
    lbd.ctl("reexec")
    wait_until(lambda: lbd.json("status")["uptime_s"] < 5)
    assert capabilities(Proc(lbd.pid)) == [0, kept, kept, all_of_them, 0]


def test_capability_that_was_given_up(lab):
    """A reload that wants it changes nothing and says what does; that does."""
    lbd = lab.lbd(POOL % (SERVES, "", ""))
    lbd.wait_up(1)
    pid = lbd.pids()["web:8081"]
    lbd.config(POOL % (SERVES, "capabilities CAP_SYS_TIME;", ""))
    said = lbd.refused("reload")
    assert "pool web" in said and "cap_sys_time" in said and "lbctl reexec" in said
    reread = lbd.ctl("reread")
    assert "would refuse" in reread and "cap_sys_time" in reread and "lbctl reexec" in reread
    assert lbd.pids()["web:8081"] == pid
    lbd.ctl("reexec")
    assert lbd.pids()["web:8081"] == pid
    lbd.ctl("reload")
    bit = 1 << NAMES.index("sys_time")

    def given():
        pid = lbd.pids()["web:8081"]
        try:
            return pid and capabilities(Proc(pid)) == [bit] * 5
        except (FileNotFoundError, ProcessLookupError):  # the old one, rolled just now
            return False

    wait_until(given, lbd.workers)


def unit(name):
    """The words of a setting of lbd.service."""
    text = (HERE.parent.parent / "daemon" / "lbd.service").read_text()
    return re.search(r"^%s=(.*)$" % name, text, re.M).group(1).split()


CONFINED = """
import ctypes, os, sys

lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


context = ctypes.c_void_p(lib.seccomp_init(0x7FFF0000))
assert not lib.seccomp_attr_set(context, 4, 0)
for call in sys.argv[1].split(","):
    number = lib.seccomp_syscall_resolve_name(call.encode())
    assert number < 0 or not lib.seccomp_rule_add_array(context, 0x50001, number, 0, None), call
socket = lib.seccomp_syscall_resolve_name(b"socket")
for family in set(range(1, 46)) - {int(f) for f in sys.argv[2].split(",")}:
    one = Compare(0, 4, family, 0)
    assert not lib.seccomp_rule_add_array(context, 0x50061, socket, 1, ctypes.byref(one))
assert not lib.seccomp_load(context)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def test_as_confined_as_by_its_unit(lab):
    """All that lbd does, with the capabilities, system calls and sockets that lbd.service leaves it."""
    script = lab.path / "confined.py"
    script.write_text(CONFINED)
    groups = [word.lstrip("~") for word in unit("SystemCallFilter")]
    listed = run("systemd-analyze", "syscall-filter", *groups).stdout
    calls = re.findall(r"^    ([a-z_0-9]+)$", listed, re.M)
    assert "kexec_load" in calls and "finit_module" in calls
    families = [str(int(getattr(socket, name))) for name in unit("RestrictAddressFamilies")]
    bounds = [word.lstrip("~")[4:].lower() for word in unit("CapabilityBoundingSet")]
    wrap = ["setpriv", "--bounding-set=-" + ",-".join(set(bounds) & set(NAMES)), PYTHON, script,
            ",".join(calls), ",".join(families)]
    options = "read_only /usr; listen inherit; dual_stack on; nice -5; limit core 0;"
    files = POOL.replace("web", "files") % (SERVES.replace("$port", "8083"), "private_tmp on;", "")
    text = web("8081-8082", worker=options, words="--inherit") + files.replace("8081", "8083")
    lbd = lab.lbd(text, wrap=wrap)
    lbd.wait_up(3)
    lab.expect_workers({"8081", "8082"}, 4)
    lbd.ctl("roll", "web", "wait")
    lbd.ctl("reexec")
    wait_until(lambda: lbd.json("status")["uptime_s"] < 5)
    lbd.wait_up(3)
    own = capabilities(Proc(lbd.pid))
    assert own[2] == (named_in_manual() | 1 << NAMES.index("sys_admin")) & own[3]
    lab.expect_workers({"8081", "8082"}, 4)


REFUSED = [
    ("worker { capabilities CAP_EVERYTHING; }", ["CAP_EVERYTHING", "capabilities(7)", "none"]),
    ("worker { no_new_privileges; }", ["no_new_privileges", "on|off"]),
    ("worker { private_tmp yes; }", ["private_tmp", "yes", "on|off"]),
    ("worker { before_start a user; }", ["before_start", "user NAME"]),
    ("worker { before_start a as root; }", ["before_start", "as", "user NAME"]),
    ("worker { after_stop a user no-such-user; }", ["after_stop", "no-such-user", "getent passwd"]),
    ("health { exec a user no-such-user; }", ["exec", "no-such-user", "getent passwd"]),
    ("worker { inherit_environment maybe; }", ["inherit_environment", "maybe", "on|off"]),
]


@pytest.mark.parametrize("text, words", REFUSED, ids=[r[0] for r in REFUSED])
def test_refused(tmp_path, text, words):
    """By `check`, and so by a reload; a start goes on without a user who is not there, see test_gone.py."""
    path = tmp_path / "lbd.conf"
    path.write_text("pool web { %s }" % text)
    found = run(BUILD / "lbctl", "check", path, check=False)
    assert found.returncode == 1
    for word in words:
        assert word in found.stderr.splitlines()[-1], found.stderr
