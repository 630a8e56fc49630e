# SPDX-License-Identifier: Apache-2.0
"""
Four blocking workers at 60 % of what they can carry, a new connection for each request.  Some time in,
one of them is killed, or all are restarted one at a time, or the balancer reloads its settings.
"""

import time

import e2e
import loads
import peers
import supervised
from cases import case03_blocking as blocking

TITLE = "Upsets under load: a worker killed, all restarted in turn, settings reloaded"
CHART = "upsets"
KINDS = (supervised.Lbd, supervised.Nginx, supervised.Haproxy)
PORTS = blocking.PORTS
BEFORE_S = 1.5


def kill(peer):
    e2e.kill_and_wait(peer.worker_pid(PORTS[1]))


EVENTS = (
    ("kill -9", kill, (7, 4)),
    ("Restart of all", lambda peer: peer.roll(), (15, 10)),
    ("Reload", lambda peer: peer.reload(), (5, 3)),
)


def run(bench, case):
    metrics = {}
    for name, _, _ in EVENTS:
        metrics[name] = (
            case.metric(name + ": failed requests", "requests", "less", 0, chart=name != "Reload"),
            case.metric(name + ": worst second's 99th percentile", "ms", "less", 0, chart=name != "Reload"),
        )
    after = []
    for peer in bench.turns(case, KINDS, PORTS, "upsets"):
        for name, event, lengths in EVENTS:
            seconds = bench.seconds(*lengths)
            result, moment, took = upset(bench, peer, event, seconds)
            failed, worst = metrics[name]
            failed.add(peer.name, loads.failures(result))
            worst.add(peer.name, max(s["latency_ms"]["p99"] for s in result["per_second"]))
            if name == "kill -9" and peer.name == "lbd":
                after.append(sum(f["intended_s"] > moment for f in result["failures"]))
            if took > seconds - BEFORE_S:
                case.note("%s, %s: took %.0f s, longer than the load" % (peer.name, name, took))
    case.goal("kill -9: requests that failed after the death", after, "<=", 0)
    for name in ("Restart of all", "Reload"):
        failed, worst = metrics[name]
        case.goal(name + ": failed requests", failed.values("lbd"), "<=", 0)
        case.goal(name + ": worst second's p99", worst.values("lbd"), "<=", 1000, "ms")


def upset(bench, peer, event, seconds):
    """The load's result, when the event was over (on the load's clock), and how long it took."""
    load = loads.OpenLoop(
        bench.lab,
        peers.FRONT,
        0.6 * blocking.CAPACITY,
        seconds,
        path="/10",
        mix="0.05:/200",
        timeout=60,
        seed=peer.repeat + 1,
    )
    begin = time.monotonic()
    time.sleep(BEFORE_S)  # the load's own time, not a wait for something
    event(peer)
    moment = time.monotonic()
    result = load.finish()
    return result, moment - result["start_monotonic_s"], moment - begin - BEFORE_S
