# SPDX-License-Identifier: Apache-2.0
"""Loads, run in the laboratory's client namespace."""

import json
import os
import subprocess

import e2e

OPENLOOP = e2e.BUILD / "bench" / "openloop"


class OpenLoop(e2e.Process):
    """openloop.c in the background; finish() gives its JSON."""

    def __init__(self, lab, targets, rate, seconds, **options):
        words = [OPENLOOP, "--rate", rate, "--duration", seconds]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), value]
        self.errors = lab.file("openloop.err")
        super().__init__(lab.client.command(*words, *targets), lab.file("openloop.json"))
        lab.keep(self)

    def finish(self, deadline=700):
        code = self.popen.wait(deadline)
        if code:
            raise RuntimeError("openloop: exit %d\n%s" % (code, self.output()[-2000:]))
        return json.loads(self.output())


def open_loop(lab, targets, rate, seconds, **options):
    """One whole run of openloop.c."""
    return OpenLoop(lab, targets, rate, seconds, **options).finish()


def closed_loop(lab, targets, seconds, connections, new):
    """wrk with 4 threads: as many requests as it gets answered; a new connection each if `new`."""
    words = ["wrk", "-t4", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "5s"]
    words += ["-s", str(e2e.HERE.parent / "bench" / "wrk.lua")]
    words += ["-H", "Connection: close"] if new else []
    process = e2e.Process(
        lab.client.command(*words, "http://" + targets[0] + "/"),
        lab.file("wrk.out"),
        env=dict(os.environ, TARGETS=" ".join(targets)),
    )
    lab.keep(process)
    code = process.popen.wait(seconds + 30)
    lines = [l for l in process.output().splitlines() if l.startswith("{")]
    if code or not lines:
        raise RuntimeError("wrk: exit %d\n%s" % (code, process.output()[-2000:]))
    return json.loads(lines[-1])


def failures(result):
    return sum(count for name, count in result["outcomes"].items() if name != "ok")
