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


HASH, LRU = "reference: hash look-up", "reference: LRU look-up and insert"

# What a packet may cost, in those of the same run: a machine where everything is slow changes neither.
TARGETS = (
    ("no service, 100000 flows", "/ hash", HASH, 0.5),
    ("established, 100000 flows", "/ hash", HASH, 0.5),
    ("SYN least_load 4, 1 flow", "/ LRU", LRU, 0.75),
    ("SYN least_load 4, 100000 flows", "/ LRU", LRU, 0.75),
    ("SYN maglev 4, 100000 flows", "/ LRU", LRU, 0.75),
    ("SYN least_load 4, 100000 flows", "/ 1 flow", "SYN least_load 4, 1 flow", 1.15),
)


def packet_costs(bench, case):
    metric = case.metric("One packet at a time, above an empty program", "ns", "less", 0, chart=False)
    in_hash = case.metric("The same, in hash look-ups", "", "less", 2, chart=False)
    in_lru = case.metric("The same, in look-ups and inserts of an LRU hash", "", "less", 2, chart=False)
    ratios = {target: [] for target in TARGETS}
    for _ in range(bench.repeats):
        costs = {
            name if name in (HASH, LRU) else "%s, %s" % (name, "1 flow" if flows == 1 else "%d flows" % flows): ns
            for name, flows, ns in cost.rows(bench.lab, bench.seconds(151, 51))
        }
        for row, ns in costs.items():
            metric.add(row, ns)
            in_hash.add(row, ns / costs[HASH])
            in_lru.add(row, ns / costs[LRU])
        for target in TARGETS:
            ratios[target].append(costs[target[0]] / costs[target[2]])
    for target, values in ratios.items():
        case.goal("%s %s" % target[:2], values, "<=", target[3])
