# SPDX-License-Identifier: Apache-2.0
"""What the configuration says reaches the process, and nothing else."""

import json
import os
import pathlib
import shutil

import pytest
from lab import APP, BUILD, wait_equal, web


def environment(lab):
    return json.loads(lab.get("/environment").body)


def test_settings_reach_the_process(lab):
    """Where user nobody may read: the tests' own directory is root's."""
    place = lab.short
    place.chmod(0o755)
    (place / "env").write_text("# comment\nFROM_FILE=file value\nBOTH=file\n")
    shutil.copy(APP, place / "app.py")
    settings = """
        directory %s; user nobody; group nogroup; umask 027; nice 5;
        environment_file %s/env;
        environment BOTH=given "NAME=a b" PORT=$port INDEX=$index POOL=$pool;
        limit nofile 777; limit core 0;
    """ % (
        place,
        place,
    )
    lbd = lab.lbd(web("8081", worker=settings).replace(APP, "app.py"))
    lbd.wait_up(1)
    seen = environment(lab)
    env = seen["environment"]
    assert seen["directory"] == str(place)
    assert (seen["uid"], seen["gid"]) == (65534, 65534)
    assert seen["umask"] == 0o027 and seen["nice"] == 5
    assert (seen["nofile"], seen["core"]) == (777, 0)
    assert env["FROM_FILE"] == "file value" and env["BOTH"] == "given" and env["NAME"] == "a b"
    assert (env["PORT"], env["INDEX"], env["POOL"]) == ("8081", "0", "web")
    assert env["USER"] == "nobody" and env["HOME"] == "/nonexistent"


def test_nothing_of_lbd_leaks_into_the_worker(lab):
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    pid = lbd.pids()["web:8081"]
    fds = {os.readlink("/proc/%d/fd/%s" % (pid, f)) for f in os.listdir("/proc/%d/fd" % pid)}
    assert not [f for f in fds if "bpf" in f or "lbd" in f and "control" in f], fds
    assert "NOTIFY_SOCKET" not in environment(lab)["environment"] or str(
        lbd.notify_path
    ) not in str(environment(lab))
    status = pathlib.Path("/proc/%d/status" % pid).read_text()
    assert "SigBlk:\t0000000000000000" in status
    assert os.getsid(pid) != os.getsid(lbd.pid)


def controllers():
    found = set()
    for line in open("/proc/self/mounts"):
        words = line.split()
        if words[2] == "cgroup2":
            found |= set(pathlib.Path(words[1], "cgroup.controllers").read_text().split())
    return found


CGROUP_LIMITS = [
    ("memory", "limit memory 64m;", "memory.max", str(64 << 20)),
    ("pids", "limit pids 50;", "pids.max", "50"),
    ("cpu", "limit cpu 150%;", "cpu.max", "150000 100000"),
]


@pytest.mark.parametrize(
    "controller, setting, file, value", CGROUP_LIMITS, ids=[c[0] for c in CGROUP_LIMITS]
)
def test_cgroup_limits(lab, controller, setting, file, value):
    """Where the controller is not to be had, the worker runs; the log, `worker` and `check` say what is lost."""
    lbd = lab.lbd(web("8081", worker=setting))
    lbd.wait_up(1)
    is_there = controller in controllers()
    note = lbd.workers()["web:8081"]["note"]
    warned = lab.host.run(BUILD / "lbctl", "check", lbd.conf).stderr
    assert is_there != ("limit not in force: %s %s: " % (file, value) in note), note
    assert is_there != ("limit %s is not in force here" % controller in warned), warned
    if not is_there:
        assert controller in lbd.output()
        lbd.kill()
        again = lbd.restart()
        again.wait_up(1)
        assert again.workers()["web:8081"]["note"] == note
        return
    path = [
        l.split(":")[2].strip()
        for l in open("/proc/%d/cgroup" % lbd.pids()["web:8081"])
        if l.startswith("0::")
    ]
    mount = next(l.split()[1] for l in open("/proc/self/mounts") if l.split()[2] == "cgroup2")
    limit = pathlib.Path(mount + path[0], file)
    assert limit.read_text().strip() == value
    # The next lbd sets it again, should it have been lost.
    lbd.kill()
    limit.write_text("max")
    lbd.restart().wait_up(1)
    assert limit.read_text().strip() == value


def test_hooks(lab):
    log = lab.path / "order"
    hook = "sh -c 'echo %%s-$port >> %s'" % log
    lbd = lab.lbd(
        web(
            "8081", worker='before_start "%s"; after_stop "%s";' % (hook % "before", hook % "after")
        )
    )
    lbd.wait_up(1)
    lbd.ctl("worker", "restart", "web:8081")
    wait_equal(lambda: log.read_text().split(), ["before-8081", "after-8081", "before-8081"])
    lbd.wait_up(1)


def test_hook_that_fails_keeps_the_worker_from_starting(lab):
    lbd = lab.lbd(
        web(
            "8081",
            worker="before_start \"sh -c 'echo no database >&2; exit 1'\"; start_retries 1; backoff 20ms 20ms;",
        )
    )
    lbd.wait_worker("web:8081", "fatal")
    note = lbd.workers()["web:8081"]["note"]
    assert "before_start sh: exit code 1" in note and "no database" in note, note
