# SPDX-License-Identifier: Apache-2.0
"""What a configuration names and has gone from this host: a trouble of whoever needs it, and of nobody else."""

import os
import pathlib
import shutil

from lab import kill_and_wait, wait_until, web
from system import sealed, unsealed

UNKNOWN = "user-that-has-gone"
SIDE = dict(name="side", listen=("0.0.0.0:81",), attach="")


def change_what_was_in_force(lbd, *changes):
    """As if `userdel` had run since: the name becomes one that this host does not know."""
    path = pathlib.Path("/run/lbd", lbd.instance, "running.conf")
    text = unsealed(path.read_text())
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(sealed(text))


def pids_of(lbd, pool):
    return {name: pid for name, pid in lbd.pids().items() if name.startswith(pool + ":")}


def control_of(lbd):
    status = os.stat("/run/lbd/%s/control" % lbd.instance)
    return status.st_uid, status.st_gid, status.st_mode & 0o777


def side_note(lbd, text):
    wait_until(lambda: text in (lbd.workers()["side:8083"]["note"] or ""), text)


def test_the_next_lbd_takes_all_back(lab):
    """A user, an address, the directory of lbd's log: a running lbd minds none of them."""
    logs, address = lab.path / "own", "10.66.1.50"
    logs.mkdir()
    lab.host.run("ip", "addr", "add", address + "/32", "dev", "lo")
    lbd = lab.lbd(
        "log %s/own.log; pid_file %s/pid;" % (logs, logs)
        + "control { owner daemon; group daemon; }"
        + web("8081-8082")
        + web("8083", worker="user www-data;", **SIDE)
        + "pool far { backend %s:9300; backend 127.0.0.1:9301 owner games; }" % address
    )
    lbd.wait_up(2, name="web")
    lbd.wait_worker("side:8083", "up")
    before = lbd.pids()
    lbd.kill()
    change_what_was_in_force(
        lbd,
        ("www-data", UNKNOWN),
        ("owner games", "owner owner-that-has-gone"),
        ("group daemon", "group group-that-has-gone"),
    )
    lab.host.run("ip", "addr", "del", address + "/32", "dev", "lo")
    shutil.rmtree(logs)
    again = lbd.restart()
    again.wait_up(2, name="web")
    again.wait_worker("side:8083", "up")
    assert again.pids() == before
    for said in (
        address + ":9300: not an address of this host",
        "own.log",
        "pid_file",
        "pool side: user %s is unknown" % UNKNOWN,
        "pool far: backend 127.0.0.1:9301: owner owner-that-has-gone is unknown",
        "control: group group-that-has-gone is unknown",
    ):
        assert said in again.output()
    assert again.backend(address + ":9300")["state"] != "up"
    assert control_of(again) == (1, 0, 0o660)  # the owner has his right, root's group has the other
    kill_and_wait(again.pids()["side:8083"])
    side_note(again, UNKNOWN + ": unknown")
    assert pids_of(again, "web").items() <= before.items()


def test_a_change_of_something_else(lab):
    """Is not refused because of a user who has gone; a name that is new is a mistake as ever."""
    text = web("8081-8082") + web("8083", worker="user www-data;", **SIDE)
    lbd = lab.lbd(text)
    lbd.wait_up(2, name="web")
    lbd.kill()
    change_what_was_in_force(lbd, ("www-data", UNKNOWN))
    again = lbd.restart()
    again.wait_up(2, name="web")
    pids = again.pids()
    again.ctl("pool", "add", "more", "127.0.0.1:9301", "owner", "daemon")
    again.ctl("pool", "drain", "more", "127.0.0.1:9301")
    again.ctl("detach", "eth0")
    again.ctl("attach", "eth0")
    for unknown in ("nobody-of-this-name", "web", "side"):
        line = again.refused("pool", "add", "more", "127.0.0.1:9302", "owner", unknown)
        assert unknown in line
    assert "127.0.0.1:9302" not in again.ctl("pool")
    kill_and_wait(pids["side:8083"])
    side_note(again, UNKNOWN + ": unknown")
    # `running.conf` was changed behind lbd's back, its file was not: there the user is one who is known.
    again.ctl("reload")
    again.wait_worker("side:8083", "up")
    again.config(text.replace("www-data", UNKNOWN))
    assert UNKNOWN in again.refused("reload")
    again.config(text)


def test_a_first_start(lab):
    """Nothing is in force that could go on instead: what a worker lacks keeps only that one from starting."""
    lbd = lab.lbd(
        "control { group group-that-has-gone; }"
        + web("8081-8082")
        + web("8083", worker="user %s;" % UNKNOWN, **SIDE)
    )
    lbd.wait_up(2, name="web")
    side_note(lbd, UNKNOWN + ": unknown")
    assert "pool side: user %s is unknown" % UNKNOWN in lbd.output()
    assert control_of(lbd) == (0, 0, 0o660)
    assert "group-that-has-gone" in lbd.refused("reload")
