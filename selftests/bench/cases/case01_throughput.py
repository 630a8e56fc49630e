# SPDX-License-Identifier: Apache-2.0
"""
Four closed-loop clients against four workers that answer a constant; all cores are busy throughout.  Each
client and each worker keeps to one core; a balancer runs where it likes.

A veth copies every packet that a socket has sent before a native XDP program sees it, and passes it on
without the bundling of segments: that is the laboratory's network card, and no work of lbd's.  So lbd is
held against direct with XDP on that veth, too, and lbd without XDP against direct.

Directly, too, every client spreads its connections over all workers.  (wrk, which is not used here, gives
each of its threads one address: a worker that serves one thread alone finds more requests at each wake-up,
and so does the thread find answers.)
"""

import loads
import peers
import results

TITLE = "Throughput: as many requests as get answered, workers answer a constant"
CHART = "throughput"
KINDS = (
    peers.Direct,
    peers.DirectXdp,
    peers.Lbd,
    peers.LbdWithoutXdp,
    peers.Nft,
    peers.Haproxy,
    peers.NginxStream,
    peers.NginxHttp,
    peers.Ipvs,
)
PORTS = range(8081, 8085)
CONNECTIONS = 64
TIMES = 3  # often and briefly: a virtual machine's speed changes within seconds


def run(bench, case):
    for new, name in ((False, "Kept connections"), (True, "A new connection each")):
        metric = case.metric(name, "requests/s", "more", 0, headline=True)
        with bench.answers(PORTS, pinned=True):
            for peer in bench.turns(case, KINDS, PORTS, name.lower(), times=TIMES):
                loads.closed_loop(bench.lab, peer.targets, bench.seconds(0.5, 1), CONNECTIONS, new)
                seconds = bench.seconds(2, 1)
                result = loads.closed_loop(bench.lab, peer.targets, seconds, CONNECTIONS, new)
                metric.add(peer.name, result["rate"])
                if result["failed"]:
                    case.note("%s, %s: %d failed" % (name, peer.name, result["failed"]))
        goals(case, metric, name, 0.95 if new else 0.99, new)


def goals(case, metric, name, of_direct, new):
    lbd = metric.values("lbd")

    def against(peer):
        return results.ratios(lbd, metric.values(peer))

    case.goal(name + ": lbd / direct", against("direct"), ">=", of_direct)
    case.goal(name + ": lbd / direct, XDP on the veth", against(peers.DirectXdp.name), ">=", of_direct)
    alone = results.ratios(metric.values(peers.LbdWithoutXdp.name), metric.values("direct"))
    case.goal(name + ": lbd, no XDP / direct", alone, ">=", of_direct)
    if not new:
        case.goal(name + ": lbd / nginx", against("nginx"), ">=", 1.5)
        case.goal(name + ": lbd / haproxy tcp", against("haproxy tcp"), ">=", 1.5)
