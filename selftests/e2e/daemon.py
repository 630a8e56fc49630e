# SPDX-License-Identifier: Apache-2.0
"""lbd under test, and its configurations."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import time

from processes import Background, Process
from stuck import report
from system import APP, BUILD, DEADLINE, PYTHON, run, text_of, unique, wait_equal, wait_until


class Refused(AssertionError):
    """lbctl's exit code was not 0."""

    def __init__(self, words, result):
        super().__init__(
            "lbctl %s: exit %d: %s" % (" ".join(words), result.returncode, result.stderr)
        )
        self.code, self.text = result.returncode, result.stderr


def refusals(text):
    """Lines of lbctl's that tell an end; that it waits for an lbd that is slow is none."""
    waits = re.compile(r"does not answer yet.*; waiting( up to \d+ s)?$")
    return [line for line in text.splitlines() if not waits.search(line)]


class Lbd(Process):
    """
    lbd in the host namespace, with the configuration in the file `conf`; in the foreground unless told
    otherwise.  config: its text; None: the file as it is.  program: another file than the one that was built.
    """

    def __init__(
        self,
        lab,
        config,
        ready=True,
        arguments=(),
        wrap=(),
        environment=None,
        instance=None,
        program=BUILD / "lbd",
        foreground=True,
    ):
        self.lab = lab
        self.instance = instance or unique()
        self.conf = lab.path / (self.instance + ".conf")
        if config is not None:
            self.config(config)
        self.notify_path = lab.short / (unique() + ".notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.notify_path))
        self.notified = ""
        self.stuck = ""  # why it had to be killed in the end, as far as that can be seen
        env = {**os.environ, "NOTIFY_SOCKET": str(self.notify_path), **(environment or {})}
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        command = [program, "-n", self.instance, "-c", self.conf, *arguments]
        command += ["-f"] if foreground else []
        super().__init__(
            lab.host.command(*wrap, *command), lab.file("lbd.log"), cwd=lab.path, env=env
        )
        if not foreground:
            assert self.popen.wait(DEADLINE) == 0, self.output()
            self.pid = int(self.ctl("pid"))
            self.popen = Background(self.pid)
        if ready:
            self.wait_ready()

    def config(self, text):
        """Writes the configuration file; worker logs go where the test's files are."""
        self.conf.write_text("log_directory %s;\n%s\n" % (self.lab.path / "logs", text))

    def hear(self, timeout=0):
        """Collects what lbd told its supervisor."""
        while select.select([self.notify], [], [], timeout)[0]:
            self.notified += self.notify.recv(4096).decode() + "\n"
            timeout = 0
        return self.notified

    def wait_ready(self):
        end = time.monotonic() + DEADLINE
        while "READY=1" not in self.hear(0.05):
            assert self.alive(), "lbd: exit %s\n%s" % (self.popen.returncode, self.output())
            assert time.monotonic() < end, "lbd: not ready\n" + self.output()

    def ctl_command(self, *words):
        return [BUILD / "lbctl", "-n", self.instance, *words]

    def cpu_s(self):
        """Processor time so far.  It tells of the machine as well: compare it with another of the same run."""
        return int(pathlib.Path("/proc/%d/schedstat" % self.pid).read_text().split()[0]) / 1e9

    def ctl(self, *words, check=True, **options):
        """lbctl; its standard output, or Refused.  check=False: the finished process."""
        words = [str(w) for w in words]
        result = run(BUILD / "lbctl", "-n", self.instance, *words, check=False, **options)
        if not check:
            return result
        if result.returncode:
            raise Refused(words, result)
        return result.stdout

    def refused(self, *words):
        """lbctl's error line of a command that must be refused."""
        result = self.ctl(*words, check=False)
        assert result.returncode == 1, (words, result)
        (line,) = refusals(result.stderr)
        return line + "\n"

    def json(self, *words):
        return json.loads(self.ctl("-j", *words))

    def pool(self, name=None):
        """{address: backend} of a pool, of the only one by default."""
        pools = [p for p in self.json("pool") if "gone" not in p]
        assert name or len(pools) == 1, pools
        return {
            b["address"]: {"note": "", **b}
            for p in pools
            if name in (None, p["pool"])
            for b in p["backends"]
        }

    def backend(self, address):
        """Of whatever pool."""
        found = [b for p in self.json("pool") for b in p["backends"] if b["address"] == address]
        assert len(found) == 1, (address, found)
        return {"note": "", **found[0]}

    def states(self, name=None):
        return {a: b["state"] for a, b in self.pool(name).items()}

    def active(self, name=None):
        """{port: open connections}."""
        return {a.rpartition(":")[2]: b["active"] for a, b in self.pool(name).items()}

    def workers(self):
        """{name: worker}; pid 0 is none."""
        return {w["name"]: {"pid": 0, "note": "", **w} for w in self.json("worker")}

    def pids(self):
        return {name: w["pid"] for name, w in self.workers().items()}

    def counters(self):
        return self.json("status")["counters"]

    def wait_up(self, count=None, name=None):
        """Until all backends of the pool(s) are up."""

        def up():
            pools = [p for p in self.json("pool") if name in (None, p["pool"])]
            states = [b["state"] for p in pools for b in p["backends"]]
            return states and set(states) == {"up"} and count in (None, len(states))

        wait_until(up, lambda: "all up: %r\n%s" % (self.json("pool"), self.output()[-2000:]))

    def wait_state(self, address, state, deadline=DEADLINE):
        wait_equal(lambda: self.backend(address)["state"], state, address, deadline)

    def wait_worker(self, name, state, deadline=DEADLINE):
        wait_equal(lambda: self.workers()[name]["state"], state, name, deadline)

    def pin(self, *parts):
        return os.path.join("/sys/fs/bpf/lbd", self.instance, *parts)

    def restart(self, **options):
        """Another lbd of the same instance and configuration, after this one's end."""
        lines = self.conf.read_text().removesuffix("\n").splitlines(True)  # not a byte else
        text = "".join(line for line in lines if not line.startswith("log_directory "))
        return self.lab.lbd(text, instance=self.instance, **options)

    def restart_as_is(self, **options):
        """The same with the file as it is now, or without one."""
        return self.lab.lbd(None, instance=self.instance, **options)

    def stop(self, deadline=DEADLINE):
        """Orderly, but what is open is not waited for: that is what a second signal means."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGINT)
        return super().stop(deadline)

    def explain(self):
        self.stuck = "\nwhich had not ended:\n" + report(self)

    def log_of(self, worker):
        """What the worker has written to its log so far."""
        return text_of(self.lab.path / "logs" / (worker + ".log"))

    def memory_kib(self):
        """Resident."""
        text = pathlib.Path("/proc/%d/status" % self.pid).read_text()
        return int(text.partition("VmRSS:")[2].split()[0])

    def keeper(self):
        """The process that goes on with the workers' output when lbd is dead; 0: none."""
        for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):
                words = (path.parent / "cmdline").read_bytes().split(b"\0")
                if b"--keep-output" in words and words[3].endswith(b"/" + self.instance.encode()):
                    return int(path.parent.name)
        return 0

    def children(self):
        """{pid: state letter} of lbd's own children, but for the keeper of the output."""
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    text = pathlib.Path("/proc/%s/stat" % entry).read_text()
                except OSError:
                    continue
                state, parent = text.rpartition(")")[2].split()[:2]
                if int(parent) == self.pid and "(lbd-output)" not in text:
                    found[int(entry)] = state
        return found


def web(
    ports="8081-8084",
    pool="",
    worker="",
    words="",
    name="web",
    listen=("0.0.0.0:80",),
    attach="attach eth0;",
):
    """A configuration: one pool of Tornado workers behind one service of the same name."""
    return """
        %s
        pool %s {
            %s
            worker {
                command "%s %s --port=$port %s";
                ports %s;
                %s
            }
        }
        service %s { %s pool %s; }
    """ % (
        attach,
        name,
        pool,
        PYTHON,
        APP,
        words,
        ports,
        worker,
        name,
        " ".join("listen %s;" % l for l in listen),
        name,
    )


def pool(command, settings="", ports="8081"):
    """A configuration: one pool of workers of any command."""
    return (
        'pool web { worker { command "%s"; ports %s; %s } }'
        "service web { listen 0.0.0.0:80; pool web; }"
        % (command.replace("\\", "\\\\").replace('"', '\\"'), ports, settings)
    )


def slow_end(lab):
    """Words for a worker that is `stopping` until lab.path/may-end is there, at the end of the test at the latest."""
    script, may_end = lab.path / "slow-end", lab.path / "may-end"
    script.write_text("until test -e %s; do sleep 0.05; done\n" % may_end)
    lab.closers.append(may_end.touch)
    return 'after_stop "/bin/sh %s"; stop_timeout 60s;' % script
