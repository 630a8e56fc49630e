# SPDX-License-Identifier: Apache-2.0
"""What supervision costs: starting a worker, 256 of them, and their output."""

import subprocess
import time

import e2e
import loads
import machine
import peers
from cases import case09_control as control

TITLE = "Supervision: start of a worker, 256 workers, output through lbd"
CHART = None
WORKERS = 256
TIMES = 11
WRITER_MB = 1000
WRITER = e2e.HERE.parent / "bench" / "writer.py"


def run(bench, case):
    if not bench.available(case, peers.Lbd):
        return
    start(bench, case)
    many(bench, case)
    output(bench, case)


def until_answered(bench, port):
    while True:
        try:
            return bench.lab.get(port=port)
        except OSError:
            pass


def start(bench, case):
    metric = case.metric("From the start of a worker to its first answer", "ms", "less", 2)
    answer = e2e.BUILD / "bench" / "answer"
    times = bench.seconds(TIMES, 5)

    def by_hand():
        process = subprocess.Popen(bench.lab.host.command(answer, peers.HOST, "8090"))
        until_answered(bench, 8090)
        process.kill()
        process.wait()

    lbd = bench.lab.lbd(
        'attach eth0;\npool web { worker { command "%s 127.0.0.1 $port"; ports 8081; autostart off; } }\n'
        "service web { listen %s:%d; pool web; }\n" % (answer, peers.HOST, peers.PORT)
    )

    def by_lbd():
        control.ctl(lbd, "worker", "start", "web:8081")
        until_answered(bench, peers.PORT)

    for _ in range(times):
        control.record(metric, "by hand, direct", control.timed(by_hand, 1))
        control.record(metric, "by lbd, through its service", control.timed(by_lbd, 1))
        lbd.ctl("worker", "stop", "web:8081")
        lbd.wait_worker("web:8081", "stopped")
    lbd.stop()
    beyond = [b - a for a, b in zip(metric.values("by hand, direct"),
                                    metric.values("by lbd, through its service"))]
    case.goal("beyond the worker's own start", beyond, "<=", 5, "ms")


def many(bench, case):
    memory = case.metric("Resident memory of lbd", "MiB", "less", 1)
    woken = case.metric("Wake-ups of an idle lbd", "a second", "less", 1)
    listing = case.metric("Time of lbctl worker", "ms", "less", 2)
    name = "%d workers" % WORKERS
    lbd = control.fleet(bench, WORKERS)
    memory.add(name, machine.resident(lbd.pid) / 1024)
    woken.add(name, control.wakeups(lbd.pid, bench.seconds(5, 2)))
    times = bench.seconds(TIMES, 5)
    control.record(listing, name, control.timed(lambda: control.ctl(lbd, "worker"), times))
    lbd.stop()
    case.goal("lbd resident, " + name, memory.values(name), "<=", 16, "MiB")
    case.goal("wake-ups when idle, " + name, woken.values(name), "<=", 0, "a second")
    case.goal("lbctl worker, " + name, listing.values(name), "<=", 10, "ms")


def output(bench, case):
    """One worker writes lines as fast as they are taken, while another pool answers."""
    speed = case.metric("Output of one worker through lbd, rotated", "MB/s", "more", 0)
    slowest = case.metric("Requests to another pool meanwhile, 99th percentile", "ms", "less", 2)
    amount = bench.seconds(WRITER_MB, 200)
    for _ in range(bench.repeats):
        result = bench.lab.file("writer.result")
        lbd = bench.lab.lbd(
            'attach eth0;\npool noisy { worker { command "%s %s $port %d %s"; ports 8090;\n'
            "    autostart off; restart never; stdout %s size 100m files 1; } }\n"
            'pool web { worker { command "%s 127.0.0.1 $port"; ports 8081-8084; } }\n'
            "service web { listen %s:%d; pool web; }\n"
            % (e2e.PYTHON, WRITER, amount, result, bench.lab.file("noisy.log"),
               e2e.BUILD / "bench" / "answer", peers.HOST, peers.PORT)
        )
        lbd.wait_up(4, "web")
        quiet = loads.open_loop(bench.lab, peers.FRONT, 200, 2)
        load = loads.OpenLoop(bench.lab, peers.FRONT, 200, 120)
        lbd.ctl("worker", "start", "noisy:8090")
        e2e.wait_until(lambda: result.exists() and result.read_text(), "the writer's end", 120)
        load.signal(15)
        slowest.add("quiet", quiet["latency_ms"]["p99"])
        slowest.add("while written", load.finish()["latency_ms"]["p99"])
        speed.add("lbd", amount / float(result.read_text()))
        lbd.stop()
    case.goal("output of one worker", speed.values("lbd"), ">=", 200, "MB/s")
