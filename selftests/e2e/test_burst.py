# SPDX-License-Identifier: Apache-2.0
"""
A thousand connections within one round trip.  The round trip is made as long as need be: the host
sends its SYN-ACKs to a wrong MAC address until all SYNs have been answered, then to the right one.
"""

import re

import pytest
from lab import CLIENT4, wait_until, web

COUNT = 1000


def pending(lab):
    """Handshakes that wait for the client's ACK."""
    return len(lab.host.run("ss", "-Htn", "state", "syn-recv").stdout.splitlines())


def mac(space, device):
    return re.search(r"ether (\S+)", space.ip("link", "show", device).stdout).group(1)


def neighbour(lab, address):
    lab.host.ip("neigh", "replace", CLIENT4, "lladdr", address, "dev", "eth0", "nud", "permanent")


@pytest.mark.parametrize("scheduler", ["least_load", "round_robin"])
def test_spreads_within_ten_percent(lab, scheduler):
    lab.host.run("sysctl", "-qw", "net.ipv4.tcp_max_syn_backlog=4096")
    lbd = lab.lbd(web(pool="scheduler %s;" % scheduler, words="--backlog=2048"))
    lbd.wait_up(4)
    neighbour(lab, "02:00:00:00:00:01")
    burst = lab.load("burst", count=COUNT, timeout=30)
    wait_until(lambda: pending(lab) == COUNT, lambda: "%d handshakes" % pending(lab))
    neighbour(lab, mac(lab.client, "veth0"))
    records = burst.finish()
    assert [r.outcome for r in records] == ["ok"] * COUNT
    seen = {}
    for record in records:
        seen[record.worker] = seen.get(record.worker, 0) + 1
    assert len(seen) == 4
    assert all(COUNT / 4 * 0.9 <= n <= COUNT / 4 * 1.1 for n in seen.values()), seen


def test_at_once_without_tricks(lab):
    """With the veth's own short round trip who answers sooner may get more."""
    lbd = lab.lbd(web(words="--backlog=2048"))
    lbd.wait_up(4)
    records = lab.load("burst", count=COUNT, timeout=30).finish()
    assert [r.outcome for r in records] == ["ok"] * COUNT
    totals = [b["total"] for b in lbd.pool().values()]
    assert sum(totals) == COUNT
    assert all(COUNT / 4 * 0.5 <= n <= COUNT / 4 * 2 for n in totals), totals


def test_syn_cookies(lab):
    """The ACK of a cookie finds a listener again, whoever answered the SYN."""
    lab.host.run("sysctl", "-qw", "net.ipv4.tcp_syncookies=2")
    lbd = lab.lbd(web())
    lbd.wait_up(4)
    records = lab.load("burst", count=200, timeout=30).finish()
    assert [r.outcome for r in records] == ["ok"] * 200
    assert {r.worker for r in records} == {"8081", "8082", "8083", "8084"}
    assert sum(b["total"] for b in lbd.pool().values()) == 200
