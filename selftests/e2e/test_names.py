# SPDX-License-Identifier: Apache-2.0
"""Names that become parts of paths: the longest that are accepted work through every life of lbd."""

import pathlib

import pytest
from lab import alive, unique, web

INSTANCE_MAX, POOL_MAX = 32, 52


def longest(name, length):
    return (name + "_" * length)[:length]


def test_the_longest_names(lab):
    """Started, taken back after a death, handed over, notified: the notify socket's path is the limit."""
    pool = longest("web", POOL_MAX)
    settings = "ready notify; watchdog 30s;"
    text = web("50081-50082", name=pool, worker=settings)
    lbd = lab.lbd(text, instance=longest(unique(), INSTANCE_MAX))
    lbd.wait_up(2)
    pids = lbd.pids()
    assert set(pids) == {pool + ":50081", pool + ":50082"}
    lbd.kill()
    again = lbd.restart()
    again.wait_up(2)
    again.ctl("reexec")
    again.wait_up(2)
    assert again.pids() == pids and all(alive(p) for p in pids.values())
    sockets = pathlib.Path("/run/lbd", lbd.instance, "notify")
    assert {p.name for p in sockets.iterdir()} == set(pids)
    again.ctl("roll", pool, "wait")
    again.wait_up(2)
    assert not set(again.pids().values()) & set(pids.values())
    again.config("")
    again.ctl("reload", "force")
    again.ctl("shutdown")


TOO_LONG = {
    "instance": ({"instance": longest("i", INSTANCE_MAX + 1)}, "", "1 to 32 letters"),
    "instance with a dot": ({"instance": "a.b"}, "", "1 to 32 letters"),
    "pool": ({}, "pool %s { }" % longest("p", POOL_MAX + 1), "up to 52 letters"),
    "static": (
        {},
        "static %s { listen 0.0.0.0:8000; root /srv; }" % longest("s", POOL_MAX + 1),
        "up to 52 letters",
    ),
}


@pytest.mark.parametrize("what", TOO_LONG)
def test_names_that_are_too_long(lab, what):
    options, text, allowed = TOO_LONG[what]
    lbd = lab.lbd(text, ready=False, **options)
    assert lbd.wait() == 1
    assert allowed in lbd.output().splitlines()[-1], lbd.output()
