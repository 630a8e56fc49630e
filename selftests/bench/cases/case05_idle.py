# SPDX-License-Identifier: Apache-2.0
"""Long-polling clients that wait for an answer: what each costs the balancer's processes, and the machine."""

import e2e
import loads
import machine
import peers

TITLE = "10 000 connections that wait (long polling): what the balancer holds for them"
CHART = "idle"
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
WANTED = 10000


def run(bench, case):
    count = min(WANTED, peers.CONNECTIONS - 200)
    if count < WANTED:
        case.note("%d connections: this machine allows %d descriptors" % (count, peers.FILES))
    memory = case.metric("Memory of the balancer's processes for them", "KiB", "less", 0, headline=True)
    files = case.metric("Descriptors of the balancer for them", "descriptors", "less", 0, headline=True)
    whole = case.metric("Memory of the machine for each, workers and clients included", "KiB", "less", 1)
    for peer in bench.turns(case, KINDS, PORTS, "%d idle" % count, answers=False):
        with bench.answers(PORTS):
            e2e.wait_until(peer._answered, "%s to answer" % peer.name)
            hold(bench, peer, count, memory, files, whole)
    case.goal("lbd: memory of its processes", memory.values("lbd"), "<=", 0, "KiB")
    case.goal("lbd: descriptors", files.values("lbd"), "<=", 0)


def held(bench):
    return sum(int(bench.lab.get("/held", port=port).body) for port in PORTS)


def state(peer):
    pids = peer.pids()
    available = int(machine._first("/proc/meminfo", "MemAvailable").split()[0])
    return machine.memory(pids), machine.descriptors(pids), available


def hold(bench, peer, count, memory, files, whole):
    loads.open_loop(bench.lab, peer.targets, 500, 1)  # what is allocated once is there
    before = state(peer)
    load = loads.OpenLoop(bench.lab, peer.targets, 4000, 60, count=count, path="/hold", timeout=300)
    e2e.wait_until(lambda: held(bench) >= count, lambda: "%d held: %d" % (count, held(bench)), 60)
    after = state(peer)
    load.stop()
    memory.add(peer.name, max(0, after[0] - before[0]))
    files.add(peer.name, after[1] - before[1])
    whole.add(peer.name, (before[2] - after[2]) / count)
