# SPDX-License-Identifier: Apache-2.0
"""Health checks: marked after `fall` failures, back after `rise`, restarted where asked."""

import pytest
from lab import wait_equal, wait_until, web

QUICK = "interval 100ms; timeout 1s; rise 2; fall 2;"


def sick(lab, check, ports="8081-8082"):
    """Worker 8081 fails its check while the file sick-8081 is there."""
    return web(ports, words="--sick=%s/sick-$port" % lab.path, pool="health { %s }" % check)


CHECKS = [
    ("http", "http /health; "),
    ("exec", "exec \"sh -c '! test -e %(path)s/sick-$port'\"; "),
]


@pytest.mark.parametrize("check", [c[1] for c in CHECKS], ids=[c[0] for c in CHECKS])
def test_falls_and_rises(lab, check):
    lbd = lab.lbd(sick(lab, check % {"path": lab.path} + QUICK))
    lbd.wait_up(2)
    pids = lbd.pids()
    held = [lab.hold(), lab.hold()]
    (lab.path / "sick-8081").touch()
    lbd.wait_state("127.0.0.1:8081", "down")
    assert lbd.backend("127.0.0.1:8081")["note"]
    assert lab.workers_seen(10) == {"8082": 10}
    assert {c.get().worker for c in held} == {"8081", "8082"}  # open connections stay
    for connection in held:
        connection.close()
    (lab.path / "sick-8081").unlink()
    lbd.wait_state("127.0.0.1:8081", "up")
    assert set(lab.workers_seen(10)) == {"8081", "8082"}
    assert lbd.pids() == pids


def test_tcp(lab):
    lbd = lab.lbd(sick(lab, "tcp; " + QUICK))
    lbd.wait_up(2)
    assert set(lab.workers_seen(10)) == {"8081", "8082"}


def test_no_connection_before_the_first_success(lab):
    (lab.path / "sick-8081").touch()
    lbd = lab.lbd(sick(lab, "http /health; " + QUICK))
    lbd.wait_state("127.0.0.1:8082", "up")
    assert set(lab.workers_seen(10)) == {"8082"}
    assert lbd.backend("127.0.0.1:8081")["state"] in ("starting", "down")
    (lab.path / "sick-8081").unlink()
    lbd.wait_up(2)


def test_restarted_where_asked(lab):
    lbd = lab.lbd(sick(lab, "http /health; on_failure restart; " + QUICK))
    lbd.wait_up(2)
    pid = lbd.pids()["web:8081"]
    (lab.path / "sick-8081").touch()
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), lbd.pids)
    (lab.path / "sick-8081").unlink()
    lbd.wait_up(2)


def test_hung_worker_is_marked(lab):
    """The event loop stands: the check times out."""
    lbd = lab.lbd(sick(lab, "http /health; interval 100ms; timeout 200ms; rise 1; fall 2;"))
    lbd.wait_up(2)
    lab.load("burst", count=1, path="/block?s=3", timeout=20)
    wait_until(lambda: "down" in lbd.states().values(), lbd.states)
    lbd.wait_up(2)


def test_redirect_is_named(lab):
    """A path that redirects is well by default (200-399), and not where 200 is asked for."""
    lbd = lab.lbd(sick(lab, "http /nowhere status 200; " + QUICK, "8081"))
    wait_until(lambda: "404" in (lbd.backend("127.0.0.1:8081")["note"] or ""), lbd.pool)
    with pytest.raises(ConnectionRefusedError):
        lab.get()


def test_backends_by_hand(lab):
    lbd = lab.lbd(
        "pool web { backend 127.0.0.1:8081; backend 127.0.0.1:8082; health { http /health; %s } }"
        "service web { listen 0.0.0.0:80; pool web; }" % QUICK
    )
    lab.app(8081)
    lab.app(8082, "--sick=%s/sick" % lab.path)
    lbd.wait_up(2)
    (lab.path / "sick").touch()
    lbd.wait_state("127.0.0.1:8082", "down")
    assert set(lab.workers_seen(10)) == {"8081"}
    wait_equal(lambda: lbd.states()["127.0.0.1:8081"], "up")
