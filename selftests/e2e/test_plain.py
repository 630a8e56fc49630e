# SPDX-License-Identifier: Apache-2.0
"""The plainest use: no configuration, servers started by hand, two kinds of command."""

import pytest
from lab import CLIENT4, HOST4, wait_until, web

PORTS = [8081, 8082, 8083, 8084]
ALL = {str(p) for p in PORTS}


def start(lab):
    lbd = lab.lbd()
    lbd.ctl("attach", "eth0")
    return lbd


def add(lbd):
    for port in PORTS:
        lbd.ctl("pool", "add", "127.0.0.1:%d" % port)


@pytest.mark.parametrize("order", ["listening before", "listening after"])
def test_four_servers_by_hand(lab, order):
    lbd = start(lab)
    assert lbd.json("status")["tier"] == "native"
    if order == "listening before":
        apps = lab.apps(PORTS)
        add(lbd)
    else:
        add(lbd)
        assert set(lbd.states().values()) == {"down"}
        apps = lab.apps(PORTS)
    lbd.wait_up(4)

    # From another machine, in plain sight.
    responses = lab.expect_workers(ALL, 40)
    assert {r.pid for r in responses} == {a.pid for a in apps}
    assert {r.body for r in responses} == {CLIENT4 + "\n"}
    # From the host itself, to either of its addresses: no XDP there.
    for host in (HOST4, "127.0.0.1"):
        responses = lab.expect_workers(ALL, 20, host=host, namespace=lab.host)
        assert {r.body for r in responses} == {host + "\n"}
    # Workers' own ports stay hidden from the network.
    with pytest.raises(ConnectionRefusedError):
        lab.get(port=8081)


def test_taken_away_by_hand(lab):
    lbd = start(lab)
    lab.apps(PORTS[:2])
    for port in PORTS[:2]:
        lbd.ctl("pool", "add", "127.0.0.1:%d" % port)
    lbd.wait_up(2)
    lbd.ctl("pool", "remove", "127.0.0.1:8081", "timeout", "0s", "wait")
    lab.expect_workers({"8082"}, 10)
    lbd.ctl("pool", "remove", "127.0.0.1:8082", "timeout", "0s", "wait")
    with pytest.raises(ConnectionRefusedError):
        lab.get()


def test_detach_and_attach(lab):
    lbd = start(lab)
    lab.apps(PORTS[:2])
    for port in PORTS[:2]:
        lbd.ctl("pool", "add", "127.0.0.1:%d" % port)
    lbd.wait_up(2)
    lbd.ctl("detach", "eth0")
    assert lbd.json("status")["tier"] == "none"
    assert "xdp" not in lab.host.ip("link", "show", "eth0").stdout
    lab.expect_workers({"8081", "8082"}, 10)  # by steer alone
    lbd.ctl("attach", "eth0")
    assert "xdp" in lab.host.ip("link", "show", "eth0").stdout
    lab.expect_workers({"8081", "8082"}, 10)


def test_supervised(lab):
    lbd = lab.lbd(web())
    lbd.wait_up(4)
    responses = lab.expect_workers(ALL, 40)
    assert {"web:" + r.worker: r.pid for r in responses} == lbd.pids()
    assert {w["state"] for w in lbd.workers().values()} == {"up"}


def test_shutdown_ends_everything(lab):
    """The laboratory itself looks for processes, pins and cgroups that are left."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    lbd.ctl("shutdown")
    assert lbd.wait() == 0
    assert "xdp" not in lab.host.ip("link", "show", "eth0").stdout
    wait_until(lambda: lab.host.pids() == [], lab.host.pids)
