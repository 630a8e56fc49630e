# SPDX-License-Identifier: Apache-2.0
"""Processes of a test, and the load among them."""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

from system import DEADLINE, HERE, PYTHON, TIME_SCALE, text_of, wait_until


class Process:
    """A process of ours; its output is in a file."""

    def __init__(self, command, log, stdin=subprocess.DEVNULL, **options):
        self.log = pathlib.Path(log)
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                [str(c) for c in command], stdin=stdin, stdout=out, stderr=out, **options
            )
        self.pid = self.popen.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def wait_output(self, pattern, deadline=DEADLINE):
        """Until the output matches; fails at once if it ends before."""

        def look():
            dead = not self.alive()
            found = re.search(pattern, self.output(), re.M)
            assert found or not dead, "exit %s before %r:\n%s" % (
                self.popen.returncode,
                pattern,
                self.output()[-2000:],
            )
            return found

        return wait_until(look, lambda: "%r in:\n%s" % (pattern, self.output()[-2000:]), deadline)

    def signal(self, signum):
        self.popen.send_signal(signum)

    def wait(self, deadline=DEADLINE):
        return self.popen.wait(deadline)

    def kill(self):
        """SIGKILL; returns the moment by which it was gone, its sockets closed."""
        self.popen.kill()
        self.popen.wait()
        return time.monotonic()

    def stop(self, deadline=DEADLINE):
        if self.alive():
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(deadline)
            except subprocess.TimeoutExpired:
                self.explain()
                self.kill()
        return self.popen.returncode

    def explain(self):
        """It has not ended, and is about to be killed."""


class Trace(Process):
    """strace(1) of a process that runs, from now on: what it does is counted, however long that takes."""

    def __init__(self, pid, calls, log, inject=()):
        self.calls = log.with_suffix(".calls")
        super().__init__(["strace", "-p", pid, "-e", "trace=" + calls, "-o", self.calls, *inject], log)
        self.wait_output("attached")

    def text(self):
        return text_of(self.calls)


class Background:
    """What subprocess.Popen is, of a process that is no child of ours: its exit code is not to be had."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None
        self.pidfd = os.pidfd_open(pid)

    def _ended(self, timeout):
        if self.returncode is None and select.select([self.pidfd], [], [], timeout)[0]:
            self.returncode = 0
            os.close(self.pidfd)
        return self.returncode

    def poll(self):
        return self._ended(0)

    def wait(self, timeout=None):
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired("pid %d" % self.pid, timeout)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            signal.pidfd_send_signal(self.pidfd, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Record:
    """One request of load.py."""

    def __init__(self, values):
        self.__dict__.update(values)
        self.latency = self.end - self.start

    def __repr__(self):
        return "Record(%s)" % ", ".join("%s=%r" % i for i in sorted(self.__dict__.items()))


class Load(Process):
    """load.py; stop() gives its records."""

    def __init__(self, lab, namespace, mode, **options):
        words = [PYTHON, HERE / "load.py", mode]
        if "rate" in options:
            options["rate"] /= TIME_SCALE
        for name, value in options.items():
            for one in value if isinstance(value, list) else [value]:
                words += ["--" + name] + ([] if one is True else [one])
        super().__init__(namespace.command(*words), lab.file("load.jsonl"))

    def records(self):
        lines = self.output().splitlines(True)
        found = []
        for line in lines:
            if line.endswith("\n"):
                assert line.startswith("{"), "load.py: " + "".join(lines)[-2000:]
                found.append(Record(json.loads(line)))
        return found

    def count(self):
        return self.output().count("\n")

    def wait_count(self, more, deadline=DEADLINE):
        """Until so many further requests have ended."""
        wanted = self.count() + more
        wait_until(
            lambda: self.count() >= wanted or not self.alive(), "%d requests" % wanted, deadline
        )

    def finish(self, deadline=90):
        """Waits for its own end."""
        assert self.popen.wait(deadline) == 0, self.output()[-2000:]
        return self.records()

    def stop(self, deadline=DEADLINE):
        """No new requests; the open ones are waited for."""
        if self.alive():
            self.popen.terminate()
        assert self.popen.wait(deadline) == 0, self.output()[-2000:]
        return self.records()
