# SPDX-License-Identifier: Apache-2.0
"""Loads, run in the laboratory's client namespace."""

import json

import e2e
import machine

OPENLOOP = e2e.BUILD / "bench" / "openloop"
CLOSEDLOOP = e2e.BUILD / "bench" / "closedloop"


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
    """
    Four of closedloop.c, spread over the cores: as many requests as they get answered; a new connection
    each if `new`.
    """
    words = [CLOSEDLOOP, "--connections", connections // 4, "--duration", seconds]
    words += ["--new"] if new else []
    clients = []
    for number in range(4):
        command = lab.client.command(*machine.on_core(number), *words, *targets)
        clients.append(e2e.Process(command, lab.file("closedloop.%d" % number)))
        lab.keep(clients[-1])
    for client in clients:
        if client.popen.wait(seconds + 30):
            raise RuntimeError("closedloop: exit %d\n%s" % (client.popen.returncode, client.output()[-2000:]))
    results = [json.loads(client.output()) for client in clients]
    return {
        "rate": sum(r["requests"] / r["seconds"] for r in results),
        "failed": sum(r["failed"] for r in results),
    }


def failures(result):
    return sum(count for name, count in result["outcomes"].items() if name != "ok")
