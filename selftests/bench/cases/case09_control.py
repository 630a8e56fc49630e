# SPDX-License-Identifier: Apache-2.0
"""What lbd's own commands cost, alone and with 4000 backends; its memory and wake-ups with 64 workers."""

import os
import time

import e2e
import machine
import peers

TITLE = "Control: commands, memory and wake-ups of lbd"
CHART = None
BACKENDS = 4000
WORKERS = 64
TIMES = 15
IDLE_S = 5


def timed(function, times):
    """Milliseconds of each of some calls."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        found.append(1000 * (time.perf_counter() - start))
    return found


def spawn(*words):
    """Runs a program to its end, at as little cost of ours as can be."""
    silent = (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=[silent])
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise RuntimeError("%s: exit %d" % (" ".join(words), code))


def ctl(lbd, *words):
    spawn(str(e2e.BUILD / "lbctl"), "-n", lbd.instance, *words)


def record(metric, name, values):
    for value in values:
        metric.add(name, value)


def run(bench, case):
    if not bench.available(case, peers.Lbd):
        return
    metric = case.metric("Time of a command, the start of lbctl included", "ms", "less", 2)
    times = bench.seconds(TIMES, 5)
    record(metric, "a program that does nothing", timed(lambda: spawn("/bin/true"), times))
    small(bench, case, metric, times)
    large(bench, case, metric, times)
    much(bench, case, metric, times)
    adoption(bench, case)
    many_workers(bench, case)


def goal(case, metric, name, most):
    case.goal(name, metric.values(name), "<=", most, "ms")


def small(bench, case, metric, times):
    lbd = bench.lab.lbd("attach eth0;\npool web { backend 127.0.0.1:9; }\n"
                        "service web { listen %s:%d; pool web; }\n" % (peers.HOST, peers.PORT))
    record(metric, "lbctl status", timed(lambda: ctl(lbd, "status"), times))
    goal(case, metric, "lbctl status", 5)
    with bench.answers([8081]):
        name = "pool add to first answer"
        for _ in range(times):
            record(metric, name, timed(lambda: add_and_ask(bench, lbd), 1))
            lbd.ctl("pool", "remove", "web", peers.HOST + ":8081")
        goal(case, metric, name, 20)
    lbd.stop()


def add_and_ask(bench, lbd):
    ctl(lbd, "pool", "add", "web", peers.HOST + ":8081")
    while True:
        try:
            return bench.lab.get(port=peers.PORT)
        except OSError:
            pass


def backends(count):
    return "".join("    backend 127.0.0.1:%d;\n" % (20000 + i) for i in range(count))


def large(bench, case, metric, times):
    frame = "pool web {\n    scheduler maglev;\n%s}\nservice web { listen 0.0.0.0:8080; pool web; }\n"
    lbd = bench.lab.lbd(frame % backends(BACKENDS))
    status, add, reload = ("%s, %d backends" % (w, BACKENDS) for w in ("lbctl status", "pool add", "reload"))
    record(metric, status, timed(lambda: ctl(lbd, "status"), times))
    for i in range(times):
        record(metric, add, timed(lambda: ctl(lbd, "pool", "add", "web", "127.0.0.1:%d" % (30000 + i)), 1))
    for i in range(times):
        lbd.config(frame % backends(BACKENDS - 1 - i % 2))
        record(metric, reload, timed(lambda: ctl(lbd, "reload"), 1))
    goal(case, metric, status, 5)
    goal(case, metric, add, 20)
    goal(case, metric, reload, 200)
    lbd.stop()


# What a command has to do with: service addresses, access rules, backends with an address each.
MUCH = {
    "4000 service addresses": "".join("listen 10.1.%d.%d:80; " % (i // 250, 1 + i % 250) for i in range(4000)),
    "8000 access rules": "listen 0.0.0.0:80; "
    + "".join("allow 10.%d.%d.%d; " % (i // 40000, i // 200 % 200, i % 200) for i in range(8000)),
}
OWN_ADDRESSES = "".join("backend 127.0.%d.%d:9; " % (1 + i // 250, 1 + i % 250) for i in range(4000))


def much(bench, case, metric, times):
    frame = "pool web { backend 127.0.0.1:9; %s }\nservice web { %s pool web; }\n"
    rows = {what: frame % ("", text) for what, text in MUCH.items()}
    rows["4000 backends of other addresses"] = frame % (OWN_ADDRESSES, "listen 0.0.0.0:80;")
    for what, text in rows.items():
        name = "pool add, " + what
        lbd = bench.lab.lbd(text)
        for i in range(times):
            record(metric, name, timed(lambda: ctl(lbd, "pool", "add", "web", "127.0.0.1:%d" % (30000 + i)), 1))
        goal(case, metric, name, 5)
        lbd.stop()


def adoption(bench, case):
    metric = case.metric("Processor time until an lbd has taken over", "ms", "less", 0)
    few, many = ("%d backends" % count for count in (1, BACKENDS))
    for _ in range(bench.repeats):
        for name, count in ((few, 1), (many, BACKENDS)):
            lbd = bench.lab.lbd("pool web {\n%s}\nservice web { listen 0.0.0.0:8080; pool web; }\n" % backends(count))
            lbd.kill()
            lbd = lbd.restart()
            metric.add(name, 1000 * machine.processor_seconds(lbd.pid))
            lbd.stop()
    case.goal("adoption of %d backends" % BACKENDS, metric.values(many), "<=", 200, "ms")


def fleet(bench, count):
    """lbd with so many supervised workers, all up."""
    lbd = bench.lab.lbd(
        'pool web {\n    worker { command "%s 127.0.0.1 $port"; ports 20001-%d; stable 500ms; }\n}\n'
        "service web { listen %s:%d; pool web; }\n"
        % (e2e.BUILD / "bench" / "answer", 20000 + count, peers.HOST, peers.PORT)
    )
    lbd.wait_up(count)
    return lbd


def wakeups(pid, seconds):
    """A second, while nothing happens."""
    time.sleep(1.5)  # until the workers just started count as stable
    before = machine.context_switches(pid)
    time.sleep(seconds)  # what is measured
    return (machine.context_switches(pid) - before) / seconds


def many_workers(bench, case):
    resident = case.metric("Resident memory of lbd", "MiB", "less", 1)
    woken = case.metric("Wake-ups of an idle lbd", "a second", "less", 1)
    name = "%d workers" % WORKERS
    for _ in range(bench.repeats):
        lbd = fleet(bench, WORKERS)
        woken.add(name, wakeups(lbd.pid, bench.seconds(IDLE_S, 2)))
        resident.add(name, machine.resident(lbd.pid) / 1024)
        lbd.stop()
    case.goal("lbd resident, " + name, resident.values(name), "<=", 10, "MiB")
    case.goal("wake-ups when idle, " + name, woken.values(name), "<=", 0, "a second")
