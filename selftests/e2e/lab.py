# SPDX-License-Identifier: Apache-2.0
"""
A laboratory for one test: two network namespaces, `client` and `host`, joined by a veth pair, and the
processes started in them.

    client 192.0.2.2, 2001:db8::2  <- veth0 ... eth0 ->  host 192.0.2.1, 2001:db8::1

Names carry our pid, so that runs go side by side.  close() ends and removes all of it, and reports
what an orderly end left behind.
"""

import atexit
import contextlib
import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / os.environ.get("LBD_BUILD", "build")
PYTHON = "/usr/bin/python3"
APP = str(HERE / "workers" / "app.py")

HOST4, CLIENT4 = "192.0.2.1", "192.0.2.2"
HOST6, CLIENT6 = "2001:db8::1", "2001:db8::2"

DEADLINE = 30  # seconds that an event may take on a loaded machine before the test fails
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")

_libc = ctypes.CDLL(None, use_errno=True)
_counter = 0
_labs = []


def unique():
    global _counter
    _counter += 1
    return "t%dx%d" % (os.getpid(), _counter)


def run(*command, check=True, **options):
    """Runs a command to its end; its output is in the exception when it fails."""
    options.setdefault("timeout", DEADLINE)
    result = subprocess.run(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    if check and result.returncode:
        raise AssertionError(
            "%s: exit %d\n%s%s"
            % (" ".join(map(str, command)), result.returncode, result.stdout, result.stderr)
        )
    return result


def wait_until(condition, what="", deadline=DEADLINE):
    """Polls until condition() is true and returns its value; shows the last value when it never is."""
    last = None
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        last = condition()
        if last:
            return last
        time.sleep(0.02)
    what = what() if callable(what) else what
    raise AssertionError("not within %d s: %s (last: %r)" % (deadline, what or condition, last))


def wait_equal(function, wanted, what="", deadline=DEADLINE):
    """Polls until function() == wanted."""
    seen = []

    def equal():
        seen[:] = [function()]
        return seen[0] == wanted

    wait_until(equal, lambda: "%s: %r, wanted %r" % (what, seen[0], wanted), deadline)


def alive(pid):
    """Runs, i.e. is there and no zombie."""
    try:
        text = pathlib.Path("/proc/%d/stat" % pid).read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def kill_and_wait(pid, signum=signal.SIGKILL):
    """Ends a process and returns the moment by which it was gone, its sockets closed."""
    fd = os.pidfd_open(pid)
    try:
        os.kill(pid, signum)
        assert select.select([fd], [], [], DEADLINE)[0], "pid %d did not end" % pid
        return time.monotonic()
    finally:
        os.close(fd)


def _enter(fd):
    if _libc.setns(fd, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def bpftool(*words):
    return json.loads(run("bpftool", "-j", *words).stdout or "null")


class Namespace:
    """A network namespace with its loopback up."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.path = "/run/netns/" + name
        self.inode = os.stat(self.path).st_ino
        run("ip", "-n", name, "link", "set", "lo", "up")

    def command(self, *words):
        return ["nsenter", "--net=" + self.path, "--"] + [str(w) for w in words]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    @contextlib.contextmanager
    def entered(self):
        """This thread makes its sockets in the namespace; they stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self.path, os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(home)
            os.close(home)
            os.close(there)

    def socket(self, family=socket.AF_INET, timeout=DEADLINE):
        with self.entered():
            sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        return sock

    def pids(self):
        """Every process inside."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    if os.stat("/proc/%s/ns/net" % entry).st_ino == self.inode:
                        found.append(int(entry))
                except OSError:
                    pass
        return found

    def remove(self):
        run("ip", "netns", "delete", self.name, check=False)


class Response:
    def __init__(self, sock):
        """Reads one HTTP response; ConnectionError when it is cut short."""
        text = b""
        while b"\r\n\r\n" not in text:
            text += self._more(sock)
        head, _, body = text.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v.strip() for k, _, v in (l.partition(":") for l in lines[1:])}
        if self.headers.get("transfer-encoding") == "chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += self._more(sock)
        else:
            while len(body) < int(self.headers.get("content-length", 0)):
                body += self._more(sock)
        self.body = body.decode("latin-1")
        self.worker = self.headers.get("x-worker")
        self.pid = int(self.headers.get("x-pid", 0))
        self.version = self.headers.get("x-version")

    @staticmethod
    def _more(sock):
        data = sock.recv(65536)
        if not data:
            raise ConnectionAbortedError("closed before the response was whole")
        return data


class Connection:
    """A client's connection that stays open."""

    def __init__(self, namespace, host, port, timeout=DEADLINE):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = namespace.socket(family, timeout)
        self.worker = None
        try:
            self.sock.connect((host, port))
        except BaseException:
            self.sock.close()
            raise

    def send(self, path="/"):
        self.sock.sendall(b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n" % path.encode())

    def get(self, path="/"):
        self.send(path)
        response = Response(self.sock)
        self.worker = response.worker or self.worker
        return response

    def is_open(self):
        """Nothing has come: neither data nor an end."""
        return not select.select([self.sock], [], [], 0)[0]

    def wait_end(self, deadline=DEADLINE):
        """Until the other side ends it: "closed" or "reset"."""
        self.sock.settimeout(deadline)
        try:
            while self.sock.recv(65536):
                pass
            return "closed"
        except ConnectionError:
            return "reset"

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Poll(Connection):
    """A long poll: its response's headers have come, the rest has not."""

    def __init__(self, namespace, host, port):
        super().__init__(namespace, host, port)
        self.send("/poll")
        self.text = b""
        while b"\r\n\r\n" not in self.text:
            self.text += Response._more(self.sock)
        self.worker = re.search(rb"X-Worker: (\d+)", self.text).group(1).decode()

    def finish(self):
        """The rest of the response, after /release."""
        while not self.text.endswith(b"0\r\n\r\n"):
            self.text += Response._more(self.sock)
        return b"released" in self.text


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
                self.kill()
        return self.popen.returncode


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


class Refused(AssertionError):
    """lbctl's exit code was not 0."""

    def __init__(self, words, result):
        super().__init__("lbctl %s: exit %d: %s" % (" ".join(words), result.returncode, result.stderr))
        self.code, self.text = result.returncode, result.stderr


class Lbd(Process):
    """lbd in the foreground, in the host namespace, with the configuration in the file `conf`."""

    def __init__(self, lab, config, ready=True, arguments=(), wrap=(), environment=None, instance=None):
        self.lab = lab
        self.instance = instance or unique()
        self.conf = lab.path / (self.instance + ".conf")
        self.config(config)
        self.notify_path = lab.short / (unique() + ".notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.notify_path))
        self.notified = ""
        env = dict(os.environ, NOTIFY_SOCKET=str(self.notify_path), **(environment or {}))
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        command = [BUILD / "lbd", "-n", self.instance, "-c", self.conf, "-f", *arguments]
        super().__init__(
            lab.host.command(*wrap, *command), lab.file("lbd.log"), cwd=lab.path, env=env
        )
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
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr

    def json(self, *words):
        return json.loads(self.ctl("-j", *words))

    def pool(self, name=None):
        """{address: backend} of a pool, of the only one by default."""
        pools = self.json("pool")
        if name is None:
            assert len(pools) == 1, pools
            return {b["address"]: b for b in pools[0]["backends"]}
        return {b["address"]: b for p in pools if p["pool"] == name for b in p["backends"]}

    def backend(self, address):
        for pool in self.json("pool"):
            for backend in pool["backends"]:
                if backend["address"] == address:
                    return backend
        raise AssertionError("no backend " + address)

    def states(self, name=None):
        return {a: b["state"] for a, b in self.pool(name).items()}

    def active(self, name=None):
        """{port: open connections}."""
        return {a.rpartition(":")[2]: b["active"] for a, b in self.pool(name).items()}

    def workers(self):
        """{name: worker}."""
        return {w["name"]: w for w in self.json("worker")}

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
        text = self.conf.read_text().partition("\n")[2]
        return self.lab.lbd(text, instance=self.instance, **options)

    def children(self):
        """{pid: state letter} of lbd's own children."""
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    text = pathlib.Path("/proc/%s/stat" % entry).read_text()
                except OSError:
                    continue
                state, parent = text.rpartition(")")[2].split()[:2]
                if int(parent) == self.pid:
                    found[int(entry)] = state
        return found


def cgroups(instance):
    """Directories of cgroup v2 that are this instance's, the innermost first."""
    mounts = [l.split() for l in open("/proc/self/mounts")]
    found = []
    for mount in (m[1] for m in mounts if m[2] == "cgroup2"):
        for path, _, _ in os.walk(mount, topdown=False):
            if "/lbd/%s" % instance in path and instance in path.split("/"):
                found.append(path)
    return found


class Lab:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.short = pathlib.Path(tempfile.mkdtemp(prefix="lbd-"))  # Unix sockets want short paths
        self.name = unique()
        self.processes, self.lbds, self.closers = [], [], []
        self.files = 0
        self.client = self.host = None
        self.expect_left = False  # True: the test ends with lbd killed, its workers running
        _labs.append(self)
        try:
            self._wire()
        except BaseException:
            self.close()
            raise

    def _wire(self):
        self.client = Namespace(self.name + "c")
        self.host = Namespace(self.name + "h")
        self.host.ip("link", "add", "eth0", "type", "veth", "peer", "veth0", "netns", self.client.name)
        for space, device, v4, v6 in (
            (self.host, "eth0", HOST4, HOST6),
            (self.client, "veth0", CLIENT4, CLIENT6),
        ):
            space.ip("address", "add", v4 + "/24", "dev", device)
            space.ip("address", "add", v6 + "/64", "dev", device, "nodad")
            space.ip("link", "set", device, "up")

    def file(self, name):
        self.files += 1
        return self.path / ("%d-%s" % (self.files, name))

    def keep(self, process):
        self.processes.append(process)
        return process

    def lbd(self, config="", **options):
        lbd = None
        try:
            lbd = Lbd.__new__(Lbd)
            self.lbds.append(lbd)
            lbd.__init__(self, config, **options)
        except BaseException:
            if not hasattr(lbd, "popen"):
                self.lbds.remove(lbd)
            raise
        return lbd

    def app(self, port, *words, wait=True):
        """The Tornado application, started by hand in the host namespace."""
        command = self.host.command(PYTHON, APP, "--port=%d" % port, *words)
        app = self.keep(Process(command, self.file("app-%d.log" % port)))
        if wait:
            app.wait_output("^listening")
        return app

    def apps(self, ports, *words):
        """Several, started at once."""
        apps = [self.app(port, *words, wait=False) for port in ports]
        for app in apps:
            app.wait_output("^listening")
        return apps

    def process(self, *words, log="process.log", namespace=None):
        return self.keep(Process((namespace or self.host).command(*words), self.file(log)))

    def load(self, mode="open", namespace=None, **options):
        return self.keep(Load(self, namespace or self.client, mode, **options))

    def connect(self, host=HOST4, port=80, namespace=None):
        connection = Connection(namespace or self.client, host, port)
        self.closers.append(connection.close)
        return connection

    def hold(self, host=HOST4, port=80, namespace=None):
        """An open connection that has been answered once: its worker is known."""
        connection = self.connect(host, port, namespace)
        connection.get("/")
        return connection

    def poll(self, host=HOST4, port=80):
        poll = Poll(self.client, host, port)
        self.closers.append(poll.close)
        return poll

    def get(self, path="/", host=HOST4, port=80, namespace=None):
        """One request on a connection of its own."""
        with Connection(namespace or self.client, host, port) as connection:
            return connection.get(path)

    def workers_seen(self, count, **options):
        """Workers that answered so many requests, each on a new connection, and how often."""
        seen = {}
        for _ in range(count):
            worker = self.get(**options).worker
            seen[worker] = seen.get(worker, 0) + 1
        return seen

    def close(self):
        """Ends everything; returns what an orderly end should not have left."""
        left = []
        with _signals_held():
            if self in _labs:
                _labs.remove(self)
                self._close(left)
        return left

    def _close(self, left):
        for closer in self.closers:
            closer()
        for process in self.processes:
            if process.alive():
                process.signal(signal.SIGCONT)
                process.kill()
        for lbd in self.lbds:
            was_alive = lbd.alive()
            code = lbd.stop()
            if was_alive and code != 0:
                left.append("lbd: exit %d after SIGTERM" % code)
            if SANITIZER.search(lbd.output()):
                left.append("sanitizer: " + lbd.output()[-4000:])
            elif code not in (0, 1, -signal.SIGKILL, -signal.SIGTERM):
                left.append("lbd: exit %d\n%s" % (code, lbd.output()[-2000:]))
            lbd.notify.close()
        orderly = bool(self.lbds) and not self.expect_left and self.lbds[-1].popen.returncode == 0
        self._sweep(left if orderly else [])
        for space in (self.client, self.host):
            if space:
                space.remove()
        shutil.rmtree(self.short, ignore_errors=True)

    def _sweep(self, left):
        """Removes what is there, and names it."""
        for instance in {lbd.instance for lbd in self.lbds}:
            for path in cgroups(instance):
                left.append("cgroup " + path)
                with contextlib.suppress(OSError):
                    pathlib.Path(path, "cgroup.kill").write_text("1")
        for space in (self.client, self.host):
            for pid in space.pids() if space else []:
                with contextlib.suppress(OSError):
                    left.append("pid %d: %s" % (pid, pathlib.Path("/proc/%d/comm" % pid).read_text()))
                    kill_and_wait(pid)
        for instance in {lbd.instance for lbd in self.lbds}:
            for path in cgroups(instance):
                with contextlib.suppress(OSError):
                    wait_until(lambda: not _rmdir_failed(path), path, 5)
            for path in ("/run/lbd/" + instance, "/sys/fs/bpf/lbd/" + instance):
                if os.path.exists(path):
                    left.append(path)
                    shutil.rmtree(path, ignore_errors=True)


def _rmdir_failed(path):
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return True
    return False


@contextlib.contextmanager
def _signals_held():
    """A second ^C does not cut the cleaning short."""
    held = {signal.SIGINT, signal.SIGTERM}
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leftovers():
    """Anything with our pid in its name that is still there."""
    prefix = "t%dx" % os.getpid()
    found = []
    for directory in ("/run/netns", "/run/lbd", "/sys/fs/bpf/lbd"):
        with contextlib.suppress(OSError):
            found += [directory + "/" + n for n in os.listdir(directory) if n.startswith(prefix)]
    return found + cgroups(prefix)


@atexit.register
def close_all():
    for lab in list(_labs):
        lab.close()
