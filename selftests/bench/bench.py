#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The bench: lbd beside what people would use instead, in one run on one machine.

Peers are measured in turn, in the same network namespaces and with the same workers; each figure is the
median of repeated runs.  Results go to build/bench/results.json, a table to standard output.
"""

import argparse
import contextlib
import importlib
import os
import pathlib
import pkgutil
import re
import resource
import sys
import time

import cases
import contain
import e2e
import loads
import machine
import peers
import report
import results

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = e2e.BUILD / "bench" / "results.json"
QUICK_S = 160  # when the quick mode, which has 3 minutes, starts nothing more
# One client stands for many.  Its ports soon come round again, and a TIME_WAIT of an earlier connection
# would meet them; behind NAT, with another port's timestamps, and refuse them.
SETTINGS = ("net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_max_tw_buckets=0")


class Bench:
    """What a case is given: the laboratory, the peers, and how long to measure."""

    def __init__(self, options):
        self.quick = options.quick
        self.repeats = options.repeats or (1 if options.quick else 3)
        self.wanted = options.peer
        self.started = time.monotonic()
        self.lab = None

    def seconds(self, usual, quick):
        return quick if self.quick else usual

    def say(self, *words):
        print("  %6.1f s  %s" % (time.monotonic() - self.started, " ".join(map(str, words))), flush=True)

    def late(self, case, what):
        """Quick mode is out of time: says what is left out."""
        if self.quick and time.monotonic() - self.started > QUICK_S:
            case.note("left out, quick mode ends after %d s: %s" % (QUICK_S, what))
            return True
        return False

    def available(self, case, *kinds):
        """The peers that this machine has and the command line names; a note for each it lacks."""
        found = []
        for kind in kinds:
            missing = kind.missing()
            if missing:
                case.note("%s: not measured, %s" % (kind.name, missing))
            elif self.quick and not kind.quick:
                case.note("%s: not measured in quick mode" % kind.name)
            elif not self.wanted or any(kind.name.startswith(w) for w in self.wanted):
                found.append(kind)
        return found

    def turns(self, case, kinds, ports, what, times=1, **options):
        """
        Yields a running peer, all of them in turn, `times` as often as there are repeats; there and back,
        so that a machine which becomes slower meanwhile is no one's advantage.
        """
        kinds = self.available(case, *kinds)
        repeats = self.repeats * (1 if self.quick else times)
        for repeat in range(repeats):
            for kind in reversed(kinds) if repeat % 2 else kinds:
                if self.late(case, "%s, %s" % (what, kind.name)):
                    continue
                self.say(case.key, what, kind.name, "%d/%d" % (repeat + 1, repeats))
                with kind(self.lab, ports, **options) as peer:
                    peer.repeat = repeat
                    yield peer

    @contextlib.contextmanager
    def laboratory(self):
        path = pathlib.Path(os.environ["TMPDIR"]) / e2e.unique()
        path.mkdir()
        path.chmod(0o755)
        path.parent.chmod(0o755)
        self.lab = e2e.Lab(path)
        try:
            for space in (self.lab.client, self.lab.host):
                space.run("sysctl", "-qw", *SETTINGS)
            yield self.lab
        finally:
            for problem in self.lab.close():
                print("bench: left behind: " + problem.splitlines()[0], file=sys.stderr)
            self.lab = None

    @contextlib.contextmanager
    def workers(self, *command, ports, pinned=False):
        """Worker processes on HOST, one a port; spread over the cores once for all if `pinned`."""
        processes = []
        try:
            for number, port in enumerate(ports):
                words = machine.on_core(number) if pinned else []
                words += [str(w).replace("$port", str(port)) for w in command]
                processes.append(self.lab.process(*words, log="worker.log"))
            for port in ports:
                e2e.wait_until(lambda: self._open(port), "worker on port %d" % port)
            yield processes
        finally:
            for process in processes:
                process.stop()

    def _open(self, port):
        try:
            e2e.Connection(self.lab.host, peers.HOST, port).close()
            return True
        except OSError:
            return False

    def answers(self, ports, pinned=False):
        words = (e2e.BUILD / "bench" / "answer", peers.HOST, "$port")
        return self.workers(*words, ports=ports, pinned=pinned)

    def blocking(self, ports):
        return self.workers(
            e2e.PYTHON, HERE / "blocking.py", "--address", peers.HOST, "--port", "$port", ports=ports
        )


def known():
    """{number: module} of cases/."""
    names = sorted(m.name for m in pkgutil.iter_modules(cases.__path__) if m.name.startswith("case"))
    return {name[4:6].lstrip("0"): importlib.import_module("cases." + name) for name in names}


def measure(options):
    resource.setrlimit(resource.RLIMIT_NOFILE, (peers.FILES, peers.FILES))
    bench = Bench(options)
    done, failed = [], 0
    for key in options.case:
        module = known()[key]
        case = results.Case(key, module.TITLE, module.CHART)
        bench.say("case %s: %s" % (key, module.TITLE))
        try:
            if not bench.late(case, "all of it"):
                with bench.laboratory():
                    module.run(bench, case)
        except Exception as error:  # the other cases still count
            failed += 1
            case.note("failed: %s: %s" % (type(error).__name__, error))
            print("bench: case %s: %s" % (key, error), file=sys.stderr)
            if os.environ.get("V"):
                sys.excepthook(*sys.exc_info())
        done.append(case)
        results.merge(RESULTS, machine.describe(e2e.ROOT), done, options.quick)
    print(report.text({"machine": machine.describe(e2e.ROOT), "quick": options.quick,
                       "cases": {c.key: c.json() for c in done}}))
    print("results: %s" % RESULTS)
    return 1 if failed else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("case", nargs="*", help="numbers, all by default: " + ", ".join(
        "%s %s" % (key, module.TITLE) for key, module in known().items()))
    parser.add_argument("--quick", action="store_true", help="once and briefly: within 3 minutes")
    parser.add_argument("--repeats", type=int, help="of each measurement (3)")
    parser.add_argument("--peer", action="append", default=[], help="only these, by the name's start")
    options = parser.parse_args()
    unknown = set(options.case) - set(known())
    if unknown:
        parser.error("no case %s; there are %s" % (", ".join(unknown), ", ".join(known())))
    options.case = options.case or list(known())
    return options


def sweep_cgroups():
    """Removes empty control groups of this run, and of runs that were killed."""
    for mount in {l.split()[1] for l in open("/proc/mounts") if l.split()[2] == "cgroup2"}:
        for path, _, _ in os.walk(mount, topdown=False):
            run = re.search(r"/lbd/bench(\d+)x", path)
            if run and (int(run[1]) == os.getpid() or not os.path.exists("/proc/" + run[1])):
                with contextlib.suppress(OSError):
                    os.rmdir(path)


def main():
    options = arguments()
    impossible = contain.possible()
    if impossible:
        print("bench: " + impossible, file=sys.stderr)
        return 1
    return contain.run(lambda: measure(options), sweep_cgroups)


if __name__ == "__main__":
    sys.exit(main())
