# SPDX-License-Identifier: Apache-2.0
"""The orderly end: what is under way is answered, unless somebody asks a second time."""

import signal

import pytest
from lab import alive, wait_equal, wait_until, web


def shutdown(lbd, how):
    if how == "signal":
        lbd.signal(signal.SIGTERM)
    else:
        lbd.lab.process(*lbd.ctl_command("shutdown"))
    wait_until(lambda: "stopping: draining" in lbd.output(), lbd.output)


def under_way(lab, lbd, seconds, count=4):
    load = lab.load("burst", count=count, path="/sleep?s=%d" % seconds)
    wait_until(lambda: sum(lbd.active().values()) == count, lbd.active)
    return load


@pytest.mark.parametrize("how", ["signal", "lbctl"])
def test_what_is_under_way_is_answered(lab, how):
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    pids = lbd.pids()
    load = under_way(lab, lbd, 2)
    shutdown(lbd, how)
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    assert {r.outcome for r in load.finish()} == {"ok"}
    assert lbd.wait() == 0
    assert not any(alive(p) for p in pids.values())


@pytest.mark.parametrize("how", ["signal", "lbctl"])
def test_asked_again_it_cuts(lab, how):
    lbd = lab.lbd(web("8081-8082", pool="drain_timeout 1h;"))
    lbd.wait_up(2)
    load = under_way(lab, lbd, 3600)
    shutdown(lbd, how)
    wait_equal(lambda: set(lbd.states().values()), {"draining"})
    assert "being stopped" in lbd.refused("worker", "start", "web:8081")
    assert "being stopped" in lbd.refused("reload")
    if how == "signal":
        lbd.signal(signal.SIGINT)
    else:
        lbd.ctl("shutdown")
    assert lbd.wait() == 0
    assert not {r.outcome for r in load.finish()} & {"ok"}


def test_drain_timeout_is_the_limit(lab):
    lbd = lab.lbd(web("8081", pool="drain_timeout 500ms;"))
    lbd.wait_up(1)
    held = lab.hold()
    shutdown(lbd, "signal")
    assert lbd.wait() == 0
    assert held.wait_end() == "reset"
    assert "drain deadline: ended 1 of 1" in lbd.output()


def test_by_priority(lab):
    """Who is to end later is left alone meanwhile; and who drains already goes on to."""
    late = web("8091", worker="priority 1;", name="late", listen=["0.0.0.0:81"], attach="")
    lbd = lab.lbd(web("8081-8082", worker="priority 2;") + late)
    lbd.wait_up(3)
    pids = lbd.pids()
    held = [lab.hold() for _ in range(4)]
    first = next(c for c in held if c.worker == "8081")
    lbd.ctl("pool", "drain", "127.0.0.1:8081")
    shutdown(lbd, "signal")
    assert first.get().pid == pids["web:8081"]
    assert lbd.workers()["late:8091"]["state"] == "up"
    assert "EXTEND_TIMEOUT_USEC=" in lbd.hear(1) and "STOPPING=1" in lbd.notified
    for connection in held:
        connection.close()
    assert lbd.wait() == 0
    assert not any(alive(p) for p in pids.values())
