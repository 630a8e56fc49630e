# SPDX-License-Identifier: Apache-2.0
"""Counters add up, and what is turned away has a reason."""

import ipaddress
import socket
import struct

import pytest
from lab import CLIENT4, CLIENT6, HOST4, HOST6, kill_and_wait, wait_until, web

N = 60
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def service(lbd):
    return lbd.json("service")[0]


def ingress(counters):
    return sum(n for name, n in counters.items() if name.startswith("ingress_"))


def received(lab):
    """Frames that eth0 has received."""
    text = lab.host.run("cat", "/proc/net/dev").stdout
    line = next(l for l in text.splitlines() if l.strip().startswith("eth0:"))
    return int(line.split(":")[1].split()[1])


def test_requests_are_the_sum_over_backends(lab):
    lbd = lab.lbd(web())
    lbd.wait_up(4)
    seen = lab.workers_seen(N)
    assert {a.rpartition(":")[2]: b["total"] for a, b in lbd.pool().items()} == seen
    assert (service(lbd)["connections"], service(lbd)["refused"]) == (N, 0)
    counters = lbd.counters()
    assert counters["ingress_chosen"] == N
    assert counters["steer_handed_over"] + counters["steer_chosen"] == N
    for _ in range(7):
        lab.get(namespace=lab.host)
    counters = lbd.counters()
    assert counters["ingress_chosen"] == N
    assert counters["steer_handed_over"] + counters["steer_chosen"] == N + 7
    assert sum(b["total"] for b in lbd.pool().values()) == service(lbd)["connections"] == N + 7


def test_every_packet_is_counted_once(lab):
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    frames, counted = received(lab), ingress(lbd.counters())
    lab.workers_seen(N)
    lab.client.run("ping", "-c3", "-i0.2", "-q", "192.0.2.1", check=False)
    with pytest.raises(ConnectionRefusedError):
        lab.get(port=9)

    def same():
        return received(lab) - frames == ingress(lbd.counters()) - counted

    wait_until(same, lambda: (received(lab) - frames, ingress(lbd.counters()) - counted))
    counters = lbd.counters()
    assert counters["ingress_no_service"] >= 1 and counters["ingress_established"] > 2 * N


def test_denied_and_allowed(lab):
    rules = "deny %s; allow all;" % CLIENT4
    lbd = lab.lbd(web("8081").replace("listen 0.0.0.0:80;", "listen 0.0.0.0:80; " + rules))
    lbd.wait_up(1)
    sock = lab.client.socket(timeout=0.5)
    with pytest.raises(TimeoutError):
        sock.connect(("192.0.2.1", 80))
    sock.close()
    assert lab.get(namespace=lab.host).worker == "8081"
    assert lbd.counters()["ingress_denied"] >= 1
    assert service(lbd)["denied"] >= 1
    # The most specific rule wins, whatever the order.
    lbd.config(
        web("8081").replace(
            "listen 0.0.0.0:80;", "listen 0.0.0.0:80; deny 192.0.2.0/24; allow %s;" % CLIENT4
        )
    )
    lbd.ctl("reload")
    assert lab.get().worker == "8081"


def segment(source, destination, port, flags):
    """A TCP header (RFC 9293, 3.1) from port 40000, with its checksum."""

    def header(checksum):
        return struct.pack("!HHIIBBHHH", 40000, port, 1000, 2000, 5 << 4, flags, 1024, checksum, 0)

    addresses = b"".join(ipaddress.ip_address(a).packed for a in (source, destination))
    summed = addresses + struct.pack("!II", socket.IPPROTO_TCP, len(header(0))) + header(0)
    total = sum(struct.unpack("!%dH" % (len(summed) // 2), summed))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return header(~total & 0xFFFF)


def resets_from(sock):
    """The port of the next reset that comes in; an IPv4 header stands before what is read."""
    while True:
        packet = sock.recv(2048)
        tcp = packet[(packet[0] & 15) * 4 :] if sock.family == socket.AF_INET else packet
        if tcp[13] & RST:
            return struct.unpack("!H", tcp[:2])[0]


@pytest.mark.parametrize("attach", ("attach eth0;", ""))
@pytest.mark.parametrize("source, host", ((CLIENT4, HOST4), (CLIENT6, HOST6)))
def test_denied_whatever_it_sends(lab, attach, source, host):
    """No answer tells that there is a service: the first reset is that of a port that has none."""
    listens = "listen 0.0.0.0:80; listen [::]:80; "
    lbd = lab.lbd(
        web("8081", attach=attach).replace("listen 0.0.0.0:80;", listens + "deny all;")
    )
    lbd.wait_up(1)
    family = socket.AF_INET if source == CLIENT4 else socket.AF_INET6
    with lab.client.socket(family, kind=socket.SOCK_RAW, protocol=socket.IPPROTO_TCP) as sock:
        for flags in (ACK, SYN, SYN | ACK, FIN, FIN | ACK, PSH | ACK, SYN | FIN, 0):
            sock.sendto(segment(source, host, 80, flags), (host, 0))
        sock.sendto(segment(source, host, 9, ACK), (host, 0))
        assert resets_from(sock) == 9


@pytest.mark.parametrize("rules", ["allow 203.0.113.0/24;", "deny all;", "deny 0.0.0.0/0;"])
def test_denied_without_xdp(lab, rules):
    """Where anything is allowed the rest is denied; and all may be, without another rule."""
    lbd = lab.lbd(
        web("8081", attach="").replace("listen 0.0.0.0:80;", "listen 0.0.0.0:80; " + rules)
    )
    lbd.wait_up(1)
    sock = lab.client.socket(timeout=0.5)
    with pytest.raises(TimeoutError):
        sock.connect(("192.0.2.1", 80))
    sock.close()
    assert lbd.counters()["steer_denied"] >= 1
    assert service(lbd)["denied"] >= 1


def test_a_service_counts_for_itself(lab):
    """Not for one that had its number, or its address, before; over a change of its own it goes on."""
    text = web("8081") + "service %s { listen 0.0.0.0:%d; pool web; }"
    lbd = lab.lbd(text % ("one", 81))
    lbd.wait_up(1)
    counted = lambda: {s["service"]: s["connections"] for s in lbd.json("service")}
    for port in (80, 80, 81):
        lab.get(port=port)
    assert counted() == {"web": 2, "one": 1}
    for name, port, expected in (("one", 82, 1), ("two", 82, 0), ("three", 83, 0), ("one", 82, 0)):
        lbd.config(text % (name, port))
        lbd.ctl("reload")
        assert counted() == {"web": 2, name: expected}
    kill_and_wait(lbd.pid)
    lbd = lbd.restart()
    assert counted() == {"web": 2, "one": 0}


def test_no_backend_is_refused(lab):
    lbd = lab.lbd(
        "attach eth0; pool web { backend 127.0.0.1:8081; } service web { listen 0.0.0.0:80; pool web; }"
    )
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            lab.get()
    counters = lbd.counters()
    assert counters["ingress_no_backend"] >= 5 and counters["steer_no_backend"] >= 5
    assert service(lbd)["refused"] >= 5


def test_full_backends_drop_and_the_retry_finds_room(lab):
    lbd = lab.lbd(web("8081-8082", pool="max_connections 2;"))
    lbd.wait_up(2)
    held = [lab.hold() for _ in range(4)]
    assert sorted(lbd.active().values()) == [2, 2]
    late = lab.load("burst", count=3, timeout=30)
    wait_until(lambda: service(lbd)["dropped"] >= 3, lambda: service(lbd))
    assert late.count() == 0
    for connection in held:
        connection.close()
    assert [r.outcome for r in late.finish()] == ["ok"] * 3
    assert lbd.counters()["ingress_max_connections"] >= 3


@pytest.mark.parametrize(
    "scheduler", ["least_load", "maglev", "round_robin", "random", "source_hash"]
)
def test_schedulers(lab, scheduler):
    lbd = lab.lbd(web(pool="scheduler %s;" % scheduler))
    lbd.wait_up(4)
    seen = lab.workers_seen(80)
    if scheduler == "source_hash":
        assert len(seen) == 1
    elif scheduler == "round_robin":
        # A SYN that is sent again on a busy machine takes a turn.
        assert len(seen) == 4 and sum(abs(n - 20) for n in seen.values()) <= 2, seen
    else:
        assert len(seen) == 4 and max(seen.values()) <= 40, seen


@pytest.mark.parametrize("scheduler", ["round_robin", "maglev", "least_load", "random"])
def test_weights(lab, scheduler):
    lines = "backend 127.0.0.1:8081 weight 3; backend 127.0.0.1:8082 weight 1;"
    lbd = lab.lbd(
        "attach eth0; pool web { scheduler %s; %s } service web { listen 0.0.0.0:80; pool web; }"
        % (scheduler, lines)
    )
    lab.apps([8081, 8082])
    lbd.wait_up(2)
    seen = lab.workers_seen(1200)
    # Six standard deviations of 1200 draws with probability 3/4: chance alone fails 1 run in 10^9.
    assert abs(seen["8081"] - 900) <= (2 if scheduler == "round_robin" else 90), seen
