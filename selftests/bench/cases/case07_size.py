# SPDX-License-Identifier: Apache-2.0
"""
New connections at a fixed rate to pools of 4 to 4000 backends, each a listening socket, and beside 1 to
512 services: processor time of the whole machine for each.  And what building the rings costs.
"""

import re

import cost
import e2e
import loads
import machine
import peers

TITLE = "Cost against size: a new connection, by the number of backends and services"
CHART = "size"
FIRST = 20001
BACKENDS = (4, 64, 1000, 4000)
SERVICES = (1, 512)
SCHEDULERS = ("maglev", "least_load")
RATE = 3000


def config(scheduler, backends, services):
    """The service that is asked, and others with a backend each that nobody asks for."""
    text = "attach eth0;\npool web {\n    scheduler %s;\n" % scheduler
    text += "".join("    backend %s:%d;\n" % (peers.HOST, FIRST + i) for i in range(backends))
    text += "}\nservice web { listen %s:%d; pool web; }\n" % (peers.HOST, peers.PORT)
    for i in range(1, services):
        text += "pool p%d { backend %s:9; }\nservice s%d { listen %s:%d; pool p%d; }\n" % (
            i, "127.1.%d.%d" % (i // 250, i % 250 + 1), i, peers.HOST, 10000 + i, i)
    return text


def run(bench, case):
    rings(case)
    choices(bench, case)
    if not bench.available(case, peers.Lbd):
        return
    size = case.metric("CPU time of the machine", "µs", "less", 1, x="backends")
    services = case.metric("CPU time of the machine, least_load, 4 backends", "µs", "less", 1, x="services")
    workers = bench.workers(
        e2e.BUILD / "bench" / "answer", peers.HOST, "$port", FIRST + BACKENDS[-1] - 1, ports=[FIRST]
    )
    with workers:
        for repeat in range(bench.repeats):
            for scheduler in SCHEDULERS[: bench.seconds(2, 1)]:
                for count in BACKENDS[:: bench.seconds(1, 3)]:
                    bench.say(case.key, scheduler, count, "backends", repeat + 1)
                    size.add("lbd " + scheduler, connection(bench, case, config(scheduler, count, 1)), count)
            for count in SERVICES:
                bench.say(case.key, count, "services", repeat + 1)
                services.add("lbd", connection(bench, case, config("least_load", 4, count)), count)
    few, many = (size.values("lbd maglev", n) for n in (BACKENDS[0], BACKENDS[-1]))
    case.goal("maglev, CPU time: 4000 backends / 4", [b / a for a, b in zip(few, many)], "<=", 1.3)


def connection(bench, case, text):
    lbd = bench.lab.lbd(text)
    e2e.wait_until(lambda: {b["state"] for b in lbd.pool("web").values()} == {"up"}, "backends up")
    loads.open_loop(bench.lab, peers.FRONT, RATE, bench.seconds(1, 0.3))
    cpu = machine.Cpu()
    result = loads.open_loop(bench.lab, peers.FRONT, RATE, bench.seconds(3, 1))
    used = cpu.seconds()
    lbd.stop()
    if loads.failures(result):
        case.note("failed: %s" % result["outcomes"])
    return 1e6 * used / max(result["outcomes"]["ok"], 1)


def choices(bench, case):
    """The choice alone: a SYN at ingress, from 100 000 flows."""
    metric = case.metric("Choice at ingress, above an empty program", "ns", "less", 0, x="backends")
    for _ in range(bench.repeats):
        for name, flows, ns in cost.rows(bench.lab, bench.seconds(151, 51)):
            words = name.split()
            if len(words) == 3 and flows > 1 and words[1] in SCHEDULERS:
                metric.add("lbd " + words[1], ns, int(words[2]))
    few, many = (metric.values("lbd maglev", n) for n in (4, 4096))
    case.goal("maglev, choice: 4096 backends / 4", [b / a for a, b in zip(few, many)], "<=", 1.3)


def rings(case):
    """ring_cost prints its own medians."""
    metric = case.metric("Building a ring", "ms", "less", 2, chart=False)
    pattern = r"^ring of (.*): median ([\d.]+) ms, least ([\d.]+) ms$"
    for name, median, _least in re.findall(pattern, e2e.run(e2e.BUILD / "bench" / "ring_cost").stdout, re.M):
        metric.add(name, median)
        if name == "1000 weighted backends, maglev, 65537 entries":
            case.goal("ring of " + name, [float(median)], "<=", 3, "ms")
