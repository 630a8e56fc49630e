# SPDX-License-Identifier: Apache-2.0
"""
Four Tornado workers whose handlers block: 10 ms, 5 % of the requests 200 ms.  The same requests at the
same times for every peer; latency from the intended start.

With kept connections a proxy can give each request to another worker and lbd cannot: shown as it is.
"""

import loads
import peers
import results

TITLE = "Latency of blocking workers: 10 ms, 5 % of the requests 200 ms"
CHART = "latency"
KINDS = (
    peers.Direct,
    peers.Lbd,
    peers.NginxLeast,
    peers.NginxHttp,
    peers.Haproxy,
    peers.Ipvs,
)
PORTS = range(8081, 8085)
MEAN_S = 0.95 * 0.010 + 0.05 * 0.200
CAPACITY = len(PORTS) / MEAN_S  # requests/s
KEPT = 60
USER_LOADS = (("new", (35, 60, 85)), ("kept", (60,)))
NAMES = {"new": "a new connection each", "kept": "%d users with kept connections, 60 %%" % KEPT}
LOAD = "load, % of capacity"


def run(bench, case):
    case.note("capacity of the workers: %.0f requests/s" % CAPACITY)
    with bench.blocking(PORTS):
        for kind, percents in USER_LOADS:
            measure(bench, case, kind, percents[len(percents) // 2:][:1] if bench.quick else percents)


def measure(bench, case, kind, percents):
    over = kind == "new"  # several loads; kept connections at one only
    metrics = {
        key: case.metric(
            "%s, %s" % (text, NAMES[kind]),
            "ms",
            "less",
            1,
            x=LOAD if over else None,
            chart=over or key == "mean",
            headline=60 if over else True,
        )
        for key, text in (("mean", "Mean"), ("p99", "99th percentile"))
    }
    options = dict(path="/10", mix="0.05:/200", timeout=30)
    if kind == "kept":
        options["keep"] = KEPT
    for peer in bench.turns(case, KINDS, PORTS, NAMES[kind]):
        for percent in percents:
            rate = CAPACITY * percent / 100
            seconds = bench.seconds(8, 3)
            seed = 1000 * peer.repeat + percent
            result = loads.open_loop(bench.lab, peer.targets, rate, seconds, seed=seed, **options)
            for key, metric in metrics.items():
                metric.add(peer.name, result["latency_ms"][key], percent if over else None)
            if loads.failures(result):
                case.note("%s, %s: %s" % (peer.name, NAMES[kind], result["outcomes"]))
    if over:
        goals(case, metrics, percents)


def goals(case, metrics, percents):
    for percent in percents:
        for key, metric in metrics.items():
            lbd = metric.values("lbd", percent)
            for peer, target in (("nginx least_conn", 1.0), ("nginx", 0.4)):
                case.goal(
                    "%s at %d %%: lbd / %s" % (metric.name, percent, peer),
                    results.ratios(lbd, metric.values(peer, percent)),
                    "<=",
                    target,
                )
