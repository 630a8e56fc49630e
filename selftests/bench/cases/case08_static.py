# SPDX-License-Identifier: Apache-2.0
"""lbstatic beside nginx and lighttpd: static_speed.py's rows, in the laboratory."""

import re

import e2e
import results

TITLE = "Static files: lbstatic, nginx and lighttpd, one core each"
CHART = "static"
PROGRAM = e2e.HERE.parent / "bench" / "static_speed.py"
SPEED = re.compile(r"^(\S.*?) {2,}(\S+) +([\d.]+) (\S+)/s, CPU each: +([\d.]+) us, with the client +([\d.]+) us", re.M)
ROUNDS = 5
LEAST = {"1 KiB, kept connections": 1.3, "1 KiB, a connection each": 1.1, "100 KiB": 1.1, "100 MiB": 1.0}
CPU = "%s: CPU time of server and client"
OTHER = re.compile(r"^(\S.*?) {2,}(\S+) +([\d.]+) (KiB|bytes)", re.M)


def run(bench, case):
    if not PROGRAM.exists():
        case.note("not measured: there is no static_speed.py")
        return
    metrics = {}
    rounds = bench.repeats if bench.quick else max(ROUNDS, bench.repeats)
    for repeat in range(rounds):
        bench.say(case.key, "static files", "%d/%d" % (repeat + 1, rounds))
        words = ("--rounds", 1, "--seconds", bench.seconds(3, 1), "--idle", bench.seconds(10000, 1000))
        text = bench.lab.host.run(e2e.PYTHON, PROGRAM, *words, timeout=300).stdout
        for name, server, rate, unit, _cpu, cpu in SPEED.findall(text):
            add(case, metrics, name, unit + "/s", "more", server, rate, chart=True)
            add(case, metrics, CPU % name, "µs for each" if unit == "requests" else "µs for a MiB", "less", server, cpu)
        for name, server, value, unit in OTHER.findall(text):
            add(case, metrics, name, unit, "less", server, value)
    if not metrics:
        case.note("static_speed.py printed no rows")
        return
    goals(case, metrics)


def add(case, metrics, name, unit, better, server, value, chart=False):
    if name not in metrics:
        metrics[name] = case.metric(name[0].upper() + name[1:], unit, better, 0, chart=chart)
    metrics[name].add(server, value)


def goals(case, metrics):
    def beside_nginx(name):
        return results.ratios(metrics[name].values("lbstatic"), metrics[name].values("nginx"))

    for name, least in LEAST.items():
        case.goal(name + ": lbstatic / nginx", beside_nginx(name), ">=", least)
    case.goal(CPU % "100 MiB" + ": lbstatic / nginx", beside_nginx(CPU % "100 MiB"), "<=", 1.0)
    case.goal("Idle connection of lbstatic", metrics["idle connection"].values("lbstatic"), "<=", 1024, "bytes")
    case.goal("lbstatic, resident at rest", metrics["resident at rest"].values("lbstatic"), "<=", 2048, "KiB")
