# SPDX-License-Identifier: Apache-2.0
"""`pool set`: another share for one backend, by command."""

from daemon import web
from lab import wait_equal

ROUNDS = "scheduler round_robin;"


def expect_shares(lab, first, of):
    """Of workers 8081 and 8082, by turns; a SYN that is sent again on a busy machine takes one."""
    seen = lab.workers_seen(10 * of)
    assert abs(seen["8081"] - 10 * first) <= 2 and sum(seen.values()) == 10 * of, seen


def weights(lbd):
    return [backend["weight"] for backend in lbd.pool().values()]


def test_a_worker_keeps_it(lab):
    """Whatever becomes of lbd, of its process, and of the configuration's weight, until it is set back."""
    lbd = lab.lbd(web("8081-8082", pool=ROUNDS))
    lbd.wait_up(2)
    assert lbd.ctl("pool", "set", "127.0.0.1:8081", "weight", "3") == (
        "web:8081: weight 3, was 1, by command: a reload leaves it so\n"
    )
    expect_shares(lab, 3, 4)
    lbd.kill()
    again = lbd.restart()
    again.wait_up(2)
    assert weights(again) == [3, 1]
    expect_shares(lab, 3, 4)
    again.ctl("worker", "restart", "web:8081")
    again.ctl("reexec")
    again.wait_up(2)
    assert weights(again) == [3, 1]
    again.config(web("8081-8082", pool=ROUNDS + "weight 2;"))
    again.ctl("reload")
    wait_equal(lambda: weights(again), [3, 2])
    assert "web:8081 of weight 3" in again.ctl("save")
    again.ctl("pool", "set", "web", "127.0.0.1:8081", "weight", "2")
    assert weights(again) == [2, 2] and "of weight" not in again.ctl("save")
    again.config(web("8081-8082", pool=ROUNDS))
    again.ctl("reload")
    wait_equal(lambda: weights(again), [1, 1])
    expect_shares(lab, 1, 2)


def test_a_line_has_it(lab):
    """As after `pool add`: it is in force, save writes it, and a reload goes by the file."""
    lines = "backend 127.0.0.1:8081 max_connections 9; backend 127.0.0.1:8082;"
    config = "attach eth0; pool web { %s %s } service web { listen 0.0.0.0:80; pool web; }" % (ROUNDS, lines)
    lbd = lab.lbd(config)
    lab.apps([8081, 8082])
    lbd.wait_up(2)
    assert lbd.ctl("pool", "set", "127.0.0.1:8081", "weight", "3") == "127.0.0.1:8081: weight 3, was 1\n"
    expect_shares(lab, 3, 4)
    lbd.ctl("reload")
    assert weights(lbd) == [1, 1]
    lbd.ctl("pool", "set", "web", "127.0.0.1:8081", "weight", "7")
    lbd.ctl("pool", "set", "web", "127.0.0.1:8081", "weight", "4")
    lbd.kill()
    again = lbd.restart()
    again.wait_up(2)
    assert weights(again) == [4, 1]
    assert "of weight" not in again.ctl("save")
    assert "backend 127.0.0.1:8081 max_connections 9 weight 4;" in again.conf.read_text()
    again.ctl("reload")
    assert weights(again) == [4, 1]
