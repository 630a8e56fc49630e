# SPDX-License-Identifier: Apache-2.0
"""Readiness and watchdog by notification."""

import pytest
from lab import alive, wait_until, web


def one(lbd):
    return lbd.workers()["web:8081"]


def test_readiness_by_notification(lab):
    """READY=1 counts, not the listener."""
    go = lab.path / "go"
    lbd = lab.lbd(web("8081", words="--ready-when=%s" % go, worker="ready notify;"))
    wait_until(lambda: "listening" in lbd.log_of("web:8081"))
    assert one(lbd)["state"] == "starting"
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    go.touch()
    lbd.wait_up(1)
    assert lab.get().worker == "8081"


def test_watchdog_restarts_the_hung(lab):
    hang = lab.path / "hang"
    settings = "ready notify; watchdog 1s; stop_timeout 200ms; backoff 20ms 20ms;"
    lbd = lab.lbd(web("8081", words="--hang-when=%s" % hang, worker=settings))
    lbd.wait_up(1)
    pid = one(lbd)["pid"]
    assert lab.get().pid == pid
    hang.touch()
    wait_until(lambda: one(lbd)["pid"] not in (0, pid), lambda: one(lbd))
    lbd.wait_up(1)
    assert not alive(pid)


def test_never_ready_is_given_up(lab):
    settings = "start_timeout 3s; stop_timeout 200ms; start_retries 1; backoff 20ms 20ms;"
    lbd = lab.lbd(web("8081", words="--never-listen", worker=settings))
    lbd.wait_worker("web:8081", "fatal")
    assert "web:8081: not ready within" in lbd.output()
    assert "will not listen" in lbd.output()
