# SPDX-License-Identifier: Apache-2.0
"""Processor time of the whole machine, client and workers included, at a rate that all can carry."""

import loads
import machine
import peers
import results

TITLE = "CPU time of the whole machine for each request, at a fixed rate"
CHART = "cpu"
KINDS = (
    peers.Direct,
    peers.Lbd,
    peers.Nft,
    peers.Haproxy,
    peers.NginxStream,
    peers.NginxHttp,
    peers.Ipvs,
)
PORTS = range(8081, 8085)
LOADS = (
    ("Kept connections, 8000/s", dict(rate=8000, keep=64)),
    ("A new connection each, 3000/s", dict(rate=3000)),
)


def run(bench, case):
    for name, load in LOADS:
        metric = case.metric("CPU time: " + name.lower(), "µs", "less", 1, headline=True)
        with bench.answers(PORTS):
            for peer in bench.turns(case, KINDS, PORTS, name.lower()):
                loads.open_loop(bench.lab, peer.targets, seconds=bench.seconds(1, 0.5), **load)
                cpu = machine.Cpu()
                result = loads.open_loop(bench.lab, peer.targets, seconds=bench.seconds(4, 1.5), **load)
                answered = result["outcomes"]["ok"]
                metric.add(peer.name, 1e6 * cpu.seconds() / max(answered, 1))
                if loads.failures(result):
                    case.note("%s, %s: %s" % (name, peer.name, result["outcomes"]))
        lbd = metric.values("lbd")
        case.goal(name + ": lbd / nginx", results.ratios(lbd, metric.values("nginx")), "<=", 0.6)
