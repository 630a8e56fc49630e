# SPDX-License-Identifier: Apache-2.0
"""IPv6 from end to end, and what is said when a family has no listener."""

import pytest
from lab import CLIENT4, CLIENT6, HOST4, HOST6, wait_equal, web

BOTH = ("0.0.0.0:80", "[::]:80")


def test_ipv6_workers(lab):
    lbd = lab.lbd(web(words="--address=::1", worker="address ::1;", listen=["[::]:80"]))
    lbd.wait_up(4)
    assert set(lbd.pool()) == {"[::1]:%d" % p for p in (8081, 8082, 8083, 8084)}
    responses = lab.expect_workers({"8081", "8082", "8083", "8084"}, 20, host=HOST6)
    assert {r.body for r in responses} == {CLIENT6 + "\n"}
    assert lab.get(host="::1", namespace=lab.host).body == "::1\n"
    assert {tuple(b["listeners"]) for b in lbd.pool().values()} == {("v6",)}
    assert lbd.counters()["ingress_chosen"] == len(responses)


def test_dual_stack_workers_take_both(lab):
    lbd = lab.lbd(web("8081-8082", words="--dual", listen=BOTH))
    lbd.wait_up(2)
    assert {lab.get(host=HOST6).body for _ in range(6)} == {CLIENT6 + "\n"}
    assert {lab.get(host=HOST4).body for _ in range(6)} == {"::ffff:" + CLIENT4 + "\n"}
    assert {tuple(sorted(b["listeners"])) for b in lbd.pool().values()} == {("v4", "v6")}


def test_ipv4_only_worker_says_so(lab):
    lbd = lab.lbd(web("8081-8082", listen=BOTH))
    lbd.wait_up(2)
    assert lab.get(host=HOST4).status == 200
    with pytest.raises(ConnectionRefusedError):
        lab.get(host=HOST6)
    assert {tuple(b["listeners"]) for b in lbd.pool().values()} == {("v4",)}
    table = lbd.ctl("pool")
    assert table.count("IPv6") >= 2, table
    wait_equal(lambda: lbd.json("service")[0]["refused"] >= 1, True)


def test_one_address_of_many(lab):
    """A service on one address leaves the others alone."""
    lab.host.ip("address", "add", "2001:db8::10/64", "dev", "eth0", "nodad")
    lbd = lab.lbd(web("8081", words="--dual", listen=["[2001:db8::10]:80"]))
    lbd.wait_up(1)
    assert lab.get(host="2001:db8::10").body == CLIENT6 + "\n"
    with pytest.raises(ConnectionRefusedError):
        lab.get(host=HOST6)


def test_each_loopback_has_its_own_backend(lab):
    """Where both addresses of `localhost` are backends, neither listener stands in for the other."""
    lbd = lab.lbd(
        "pool web { backend 127.0.0.1:8081; backend [::1]:8081; }"
        "service web { listen 0.0.0.0:80; listen [::]:80; pool web; }"
    )
    lab.app(8081)
    lbd.wait_state("127.0.0.1:8081", "up")
    assert lbd.backend("[::1]:8081")["state"] == "down"
    assert lbd.backend("[::1]:8081")["listeners"] == []
    assert lab.workers_seen(10) == {"8081": 10}
    assert {a: b["total"] for a, b in lbd.pool().items()} == {"127.0.0.1:8081": 10, "[::1]:8081": 0}
    lab.app(8081, "--address=::1")
    lbd.wait_up(2)
    assert {a: b["listeners"] for a, b in lbd.pool().items()} == {
        "127.0.0.1:8081": ["v4"],
        "[::1]:8081": ["v6"],
    }


def test_neither_stands_in_for_the_other(lab):
    lbd = lab.lbd()
    lab.app(8081)
    lbd.ctl("pool", "add", "[::1]:8081")
    assert "listens on 127.0.0.1:8081, which is another" in lbd.backend("[::1]:8081")["note"]
    lbd.ctl("pool", "add", "127.0.0.1:8081")
    wait_equal(lbd.states, {"127.0.0.1:8081": "up", "[::1]:8081": "down"})
    assert lab.workers_seen(5) == {"8081": 5}
    assert lbd.backend("127.0.0.1:8081")["total"] == 5


def test_workers_on_one_port_of_both_loopbacks(lab):
    text = web("8081", name="four") + web(
        "8081",
        name="six",
        attach="",
        words="--address=::1",
        worker="address ::1;",
        listen=["[::]:80"],
    )
    lbd = lab.lbd(text)
    lbd.wait_up(2)
    assert lab.get(host=HOST4).pid == lbd.pids()["four:8081"]
    assert lab.get(host=HOST6).pid == lbd.pids()["six:8081"]
