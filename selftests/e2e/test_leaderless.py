# SPDX-License-Identifier: Apache-2.0
"""
A process whose first thread has ended while others live: /proc calls it a zombie, and cgroup.kill leaves it out.
"""

import os
import signal

import pytest
from lab import PYTHON, alive, cgroups, pool, wait_equal, wait_until
from system import text_of

# "serve" has the listener, of its own or of lbd's; "stay" has none.
PROGRAM = """
import ctypes, os, platform, socket, socketserver, sys, threading
from http.server import BaseHTTPRequestHandler

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-Worker", str(os.getpid()))
        self.send_header("Content-Length", "0")
        self.end_headers()

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    def __init__(self, port):
        super().__init__(("127.0.0.1", port), Answer, bind_and_activate=False)
        if "LISTEN_FDS" in os.environ:
            self.socket = socket.socket(fileno=3)
        else:
            self.server_bind()
            self.server_activate()

what, port, pids = sys.argv[1], int(sys.argv[2]), sys.argv[3]
run = Server(port).serve_forever if what == "serve" else threading.Event().wait
threading.Thread(target=run).start()
with open(pids, "a") as file:
    print(os.getpid(), file=file)
exit_thread = {"x86_64": 60}.get(platform.machine(), 93)
ctypes.CDLL(None).syscall(exit_thread, 0)
"""
NO_GROUPS = (
    'for m in $(awk \'$3 == "cgroup2" {print $2}\' /proc/mounts); do'
    ' mount -o remount,bind,ro $m; done; exec "$@"'
)
WRAPS = {"cgroup": [], "session": ["unshare", "-m", "sh", "-c", NO_GROUPS, "sh"]}


class Leaderless:
    """The program, and those that were started by it."""

    def __init__(self, lab):
        self.pids = lab.path / "leaderless.pids"
        self.path = lab.path / "leaderless.py"
        self.path.write_text(PROGRAM)

    def command(self, what="stay", port="0"):
        return "%s %s %s %s %s" % (PYTHON, self.path, what, port, self.pids)

    def leave(self, lab, name):
        """A script that leaves one, and ends when it is what it is to be."""
        pids, before = self.pids, "n=$(cat %s | wc -l)" % self.pids
        new = "test $(cat %s | wc -l) -gt $n" % pids
        ended = "grep -q 'State:.Z' /proc/$(tail -n 1 %s)/status" % pids
        wait = "until %s && %s; do :; done" % (new, ended)
        return lab.script("%s\nsetsid %s &\n%s\n" % (before, self.command(), wait), name).partition(" ")[0]

    def started(self):
        return [int(pid) for pid in text_of(self.pids).split()]

    def wait_started(self, count):
        wait_until(lambda: len(self.started()) >= count, self.started)

    def wait(self, count):
        """Until so many have been, and the last one is what it is to be."""
        self.wait_started(count)
        pid = self.started()[count - 1]
        wait_until(lambda: "State:\tZ" in open("/proc/%d/status" % pid).read(), pid)
        assert alive(pid)
        return pid


def left(program):
    return [pid for pid in program.started() if alive(pid)]


ENDS = {
    "stop": lambda lbd: lbd.ctl("worker", "stop", "web:8081"),
    "restart": lambda lbd: lbd.ctl("worker", "restart", "web:8081", "force"),
    "roll": lambda lbd: lbd.ctl("roll", "web", "force", "wait"),
    "death": lambda lbd: os.kill(lbd.pids()["web:8081"], signal.SIGKILL),
    "end": lambda lbd: lbd.stop(),
}


@pytest.mark.parametrize("end", ENDS)
def test_child(lab, end):
    """Of a worker, in a session of its own: it ends with the worker."""
    program = Leaderless(lab)
    shell = "setsid %s & exec %s -m http.server --bind 127.0.0.1 $0" % (program.command(), PYTHON)
    lbd = lab.lbd(pool("sh -c '%s' $port" % shell, "stop_timeout 5s; backoff 20ms 20ms;"))
    lbd.wait_up(1)
    pid = program.wait(1)
    ENDS[end](lbd)
    wait_until(lambda: not alive(pid), "pid %d lives" % pid)
    if end in ("restart", "roll", "death"):
        lbd.wait_up(1)
        program.wait(2)
        assert [c for c in cgroups(lbd.instance) if "~" in c] == []
    assert lbd.stop() == 0
    assert left(program) == [] and "does not end" not in lbd.output()


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("listen", ["", "listen inherit;"], ids=["plain", "inherit"])
def test_worker(lab, listen, wrap):
    """The worker itself: an lbd after a death takes it back, with its listener, and ends it like any other."""
    program = Leaderless(lab)
    text = pool(program.command("serve", "$port"), listen + "stop_timeout 5s; backoff 20ms 20ms;")
    lbd = lab.lbd(text, wrap=WRAPS[wrap])
    lbd.wait_worker("web:8081", "up")
    pid = program.wait(1)
    lbd.kill()
    lbd = lbd.restart_as_is(wrap=WRAPS[wrap])
    lbd.wait_worker("web:8081", "up")
    assert lbd.pids() == {"web:8081": pid}
    assert lab.get().worker == str(pid)
    lbd.ctl("worker", "restart", "web:8081", "force")
    assert not alive(pid)
    lbd.wait_worker("web:8081", "up")
    second = program.wait(2)
    wait_equal(lambda: lab.get().worker, str(second))
    assert lbd.stop() == 0
    assert left(program) == []
    assert "is in use" not in lbd.output() and "does not end" not in lbd.output()


@pytest.mark.parametrize("wrap", WRAPS)
def test_stops_at_its_time(lab, wrap):
    """One that hears no signal has not ended when its first thread has: it is killed, and not before its time."""
    program = Leaderless(lab)
    deaf = "sh -c 'trap \"\" TERM; exec %s' $port" % program.command("serve", "$0")
    lbd = lab.lbd(pool(deaf, "stop_timeout 1500ms;"), wrap=WRAPS[wrap])
    lbd.wait_worker("web:8081", "up")
    pid = program.wait(1)
    lbd.ctl("worker", "stop", "web:8081")
    assert not alive(pid)
    assert "pid %d has not ended 1500 ms after SIGTERM, killed" % pid in lbd.output()


def test_hook(lab):
    """What after_stop leaves ends before the next process starts."""
    program = Leaderless(lab)
    hook = program.leave(lab, "hook")
    command = "%s -m http.server --bind 127.0.0.1 $port" % PYTHON
    lbd = lab.lbd(pool(command, 'after_stop "%s"; stop_timeout 5s;' % hook))
    lbd.wait_up(1)
    lbd.ctl("worker", "restart", "web:8081", "force")
    program.wait_started(1)
    lbd.wait_up(1)
    wait_until(lambda: left(program) == [], program.started)
    assert lbd.stop() == 0
    assert len(program.started()) == 2
    assert left(program) == [] and "does not end" not in lbd.output()


def test_check(lab):
    """What a check leaves ends with it, or the next would never begin; and with the lbd that is next."""
    program = Leaderless(lab)
    check = program.leave(lab, "check")
    settings = 'pool web { health { exec "%s"; interval 100ms; timeout 20s; } worker {' % check
    command = "%s -m http.server --bind 127.0.0.1 $port" % PYTHON
    lbd = lab.lbd(pool(command).replace("pool web { worker {", settings))
    wait_until(lambda: len(program.started()) >= 4, program.started)
    wait_until(lambda: not any(map(alive, program.started()[:2])), program.started)
    assert "has not gone" not in lbd.output()
    lbd.kill()
    before = program.started()
    lbd = lbd.restart_as_is()
    wait_until(lambda: not any(map(alive, before)), before)
    wait_until(lambda: len(program.started()) >= len(before) + 3, program.started)
    assert lbd.stop() == 0
    assert left(program) == [] and cgroups(lbd.instance) == []
