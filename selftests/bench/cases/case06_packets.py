# SPDX-License-Identifier: Apache-2.0
"""
XDP paths, two ways.  One packet at a time through BPF_PROG_TEST_RUN (xdp_cost): nanoseconds above an
empty program.  And a flood of live frames over the veth pair, generator and receiver on this machine;
what ingress passes up is dropped at once by a netdev rule, in all rows alike.
"""

import json
import re

import cost
import e2e
import peers

TITLE = "Packets: cost and rate of each XDP path"
CHART = "packets"
PORTS = range(8081, 8085)
FLOWS = (1, 1000, 100000)
DROP = """table netdev bench {
    chain take { type filter hook ingress device eth0 priority 0; policy drop; }
}
"""
FLOOD = e2e.BUILD / "bench" / "flood"
PATHS = (("no service", "syn", 9), ("established segment", "ack", peers.PORT), ("SYN, 4 workers", "syn", peers.PORT))


def run(bench, case):
    flood(bench, case)
    packet_costs(bench, case)


def flood(bench, case):
    rate = case.metric("Rate over veth, stack's drop included", "Mpps", "more", 2, x="flows")
    rules = bench.lab.file("drop.nft")
    rules.write_text(DROP)
    for _ in range(bench.repeats):
        for verdict in ("drop", "pass"):
            bench.lab.host.run(FLOOD, "attach", "eth0", verdict)
            bench.lab.host.run("nft", "-f", rules)
            measure(bench, rate, "empty program, XDP_" + verdict.upper(), "syn", 9)
            bench.lab.host.run("nft", "delete table netdev bench")
            bench.lab.host.run("ip", "link", "set", "eth0", "xdp", "off")
        if bench.available(case, peers.Lbd):
            flood_lbd(bench, rate, rules)


def flood_lbd(bench, rate, rules):
    with bench.answers(PORTS), peers.Lbd(bench.lab, PORTS) as peer:
        peer.process.wait_up(len(PORTS))
        bench.lab.host.run("nft", "-f", rules)
        for name, flags, port in PATHS:
            measure(bench, rate, "lbd: " + name, flags, port)
        bench.lab.host.run("nft", "delete table netdev bench")


def received(bench):
    """Packets that any XDP program on eth0 has run on."""
    text = bench.lab.host.run("ethtool", "-S", "eth0").stdout
    return sum(map(int, re.findall(r"rx_queue_\d+_xdp_packets: (\d+)", text)))


def measure(bench, rate, name, flags, port):
    link = json.loads(bench.lab.host.run("ip", "-j", "link", "show", "eth0").stdout)[0]
    for flows in FLOWS:
        bench.say("6", name, flows, "flows")
        words = (bench.seconds(2, 0.3), flows, flags, link["address"], e2e.CLIENT4, peers.HOST, port)
        before = received(bench)
        sent = json.loads(bench.lab.client.run(FLOOD, "send", "veth0", *words).stdout)
        rate.add(name, (received(bench) - before) / sent["seconds"] / 1e6, flows)


def packet_costs(bench, case):
    metric = case.metric("One packet at a time, above an empty program", "ns", "less", 0, chart=False)
    for _ in range(bench.repeats):
        for name, flows, ns in cost.rows(bench.lab, bench.seconds(151, 51)):
            metric.add("%s, %s" % (name, "1 flow" if flows == 1 else "%d flows" % flows), ns)
    for name, most in (("no service", 25), ("established", 40), ("SYN least_load 4", 160)):
        for flows in ("1 flow", "100000 flows"):
            row = "%s, %s" % (name, flows)
            case.goal(row, metric.values(row), "<=", most, "ns")
