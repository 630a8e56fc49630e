# SPDX-License-Identifier: Apache-2.0
"""Readiness and watchdog by notification."""

import contextlib
import os
import pathlib
import pwd
import resource
import select
import shutil
import signal
import socket
import stat

import pytest
from lab import (
    PYTHON,
    alive,
    kill_and_wait,
    pool,
    take_descriptors,
    text_of,
    wait_equal,
    wait_until,
    web,
)


def one(lbd):
    return lbd.workers()["web:8081"]


def test_readiness_by_notification(lab):
    """READY=1 counts, not the listener."""
    go = lab.path / "go"
    lbd = lab.lbd(web("8081", words="--ready-when=%s" % go, worker="ready notify;"))
    wait_until(lambda: "listening" in lbd.log_of("web:8081"))
    assert one(lbd)["state"] == "starting"
    late = lab.load("burst", count=3, timeout=60)
    wait_until(lambda: lbd.json("service")[0]["deferred"] >= 3, lambda: lbd.json("service"))
    assert late.count() == 0
    go.touch()
    lbd.wait_up(1)
    assert [r.outcome for r in late.finish()] == ["ok"] * 3
    assert lab.get().worker == "8081"


@pytest.mark.parametrize("away", (False, True), ids=("here", "lbd killed"))
def test_asked_for_of_those_that_serve(lab, away):
    """They never had to say it, and serve on; the first of the roll that does not say it ends the roll."""
    silent = "--ready-when=/never"
    lbd = lab.lbd(web("8081-8083", words=silent))
    lbd.wait_up(3)
    pids = lbd.pids()
    load = lab.load(rate=20)
    lbd.config(web("8081-8083", words=silent, worker="ready notify; start_timeout 2s; backoff 1h 1h;"))
    lbd.ctl("reload")
    if away:
        lbd.kill()
        lbd = lbd.restart()
    wait_until(lambda: "roll ended: web:8081 did not get ready" in lbd.output(), lbd.output)
    states = lbd.states()
    assert states.pop("127.0.0.1:8081") != "up" and set(states.values()) == {"up"}, states
    assert lbd.pids()["web:8083"] == pids["web:8083"]
    assert {r.outcome for r in load.stop()} == {"ok"}


def test_watchdog_restarts_the_hung(lab):
    hang = lab.path / "hang"
    settings = "ready notify; watchdog 5s; stop_timeout 200ms; backoff 20ms 20ms;"
    lbd = lab.lbd(web("8081", words="--hang-when=%s" % hang, worker=settings))
    lbd.wait_up(1)
    pid = one(lbd)["pid"]
    assert lab.get().pid == pid
    hang.touch()
    wait_until(lambda: one(lbd)["pid"] not in (0, pid), lambda: one(lbd))
    lbd.wait_up(1)
    assert not alive(pid)


# Connects once and ignores errors, as python3-sdnotify does, but for the first.
# Silent when the file is there, but not if it was from the beginning.
DOG = """
import os, signal, socket, sys, time
port, go_silent = int(sys.argv[1]), sys.argv[2]
told = lambda word: print(word, time.monotonic(), flush=True)
signal.signal(signal.SIGTERM, lambda *_: (told("down"), os._exit(0)))
was_there = os.path.exists(go_silent)
lbd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
lbd.connect(os.environ["NOTIFY_SOCKET"])
listener = socket.create_server(("127.0.0.1", port))
lbd.send(b"READY=1")
told("up")
beats = failed = 0
while True:
    if was_there or not os.path.exists(go_silent):
        try: lbd.send(b"WATCHDOG=1"); beats += 1
        except OSError:
            if not failed: told("refused")
            failed = 1
        with open("%s.%d" % (go_silent, port), "w") as file: file.write("%d" % beats)
    time.sleep(0.1)
"""
BEATS_A_SECOND = 10
DOGS = "web:8081", "web:8082", "web:8083"


def dogs_conf(lab, watchdog, ports="8081-8083"):
    program = lab.path / "dog.py"
    program.write_text(DOG)
    settings = "ready notify; watchdog %s; exit_codes 0;" % watchdog
    command = "%s %s $port %s" % (PYTHON, program, lab.path / "silent")
    return pool(command, settings, ports)


def dogs(lab, watchdog):
    return lab.lbd(dogs_conf(lab, watchdog))


def notes(lbd):
    return {name: worker["note"] for name, worker in lbd.workers().items()}


def kept_by(keeper):
    """How many notify sockets."""
    sockets = {line.split()[6] for line in open("/proc/%d/net/unix" % keeper) if "/notify/" in line}
    found = []
    for fd in pathlib.Path("/proc/%d/fd" % keeper).iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(fd))
    return sum("socket:[%s]" % inode in found for inode in sockets)


def kill_both(lbd):
    """Neither sees the other's end."""
    keeper = lbd.keeper()
    lbd.signal(signal.SIGSTOP)
    kill_and_wait(keeper)
    lbd.kill()


def beats(lab):
    files = lab.path.glob("silent.*")
    return {file.name: int(text_of(file) or 0) for file in files}


def wait_beats(lab, seconds):
    """As many as come in that time, of each."""
    before = beats(lab)
    wait_until(
        lambda: all(n >= before[p] + seconds * BEATS_A_SECOND for p, n in beats(lab).items()),
        lambda: (before, beats(lab)),
        120,
    )


def next_lbd(lab, lbd, how):
    """Goes on after it; the sockets wait in the keeper's queue, or are the next keeper's, or it reads them a while."""
    keeper = lbd.keeper()
    if how == "keeper killed before":
        kill_and_wait(keeper)
        wait_until(lambda: lbd.keeper() not in (0, keeper))
        wait_equal(lambda: kept_by(lbd.keeper()), 3)
    elif how == "keeper stands still":
        os.kill(keeper, signal.SIGSTOP)
        lbd.ctl("roll", "web", "wait")
    if how == "reexec":
        lbd.ctl("reexec")
        return lbd
    lbd.kill()
    if how == "killed for a while":
        wait_beats(lab, 6)
    return lbd.restart()


@pytest.mark.parametrize(
    "how",
    ("reexec", "killed for a while", "keeper killed before", "keeper stands still"),
)
def test_who_has_connected_is_heard_on(lab, how):
    """No word is refused, or waits for ever; who is silent is restarted after that, and nobody before."""
    lbd = dogs(lab, "5s")
    lbd.wait_up(3)
    lbd = next_lbd(lab, lbd, how)
    wait_until(lambda: lbd.ctl("status", check=False).returncode == 0)
    lbd.wait_up(3)
    pids = lbd.pids()
    lbd.ctl("reexec")
    wait_beats(lab, 10)
    assert lbd.pids() == pids and set(lbd.states().values()) == {"up"}, lbd.output()
    assert notes(lbd) == dict.fromkeys(DOGS, "")
    assert not any("refused" in lbd.log_of(name) for name in DOGS)
    (lab.path / "silent").touch()
    wait_until(
        lambda: not set(pids.values()) & set(lbd.pids().values()), lambda: lbd.output(), 120
    )
    lbd.wait_up(3)


def test_the_keeper_is_asked_to_end_by_somebody(lab):
    """lbd goes on with all sockets, however many one user has: what the keeper closes is not shut down."""
    lbd = lab.lbd(dogs_conf(lab, "60s", "8081-8092"))
    lbd.wait_up(12)
    keeper = lbd.keeper()
    wait_equal(lambda: kept_by(keeper), 12)
    kill_and_wait(keeper, signal.SIGTERM)
    wait_beats(lab, 2)
    assert not [name for name in lbd.pids() if "refused" in lbd.log_of(name)]
    wait_until(lambda: lbd.keeper() not in (0, keeper))
    wait_equal(lambda: kept_by(lbd.keeper()), 12)


# Says that it is ready, and more than its socket's queue holds, when it is told to.
LATE = """
import os, signal, socket, sys
lbd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
lbd.connect(os.environ["NOTIFY_SOCKET"])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("waits", flush=True)
signal.sigwait([signal.SIGUSR1])
lbd.send(b"READY=1")
for n in range(1000): lbd.send(b"STATUS=%d" % n)
print("said", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("user", ("root", "nobody"))
def test_what_is_said_while_lbd_is_dead_counts(lab, user):
    """And keeps nobody waiting: the queue does not stay full."""
    lbd = lab.lbd(speaker(lab, user, LATE, ""))
    wait_until(lambda: "waits" in lbd.log_of("web:8081"))
    pid, keeper = lbd.pids()["web:8081"], lbd.keeper()
    wait_equal(lambda: kept_by(keeper), 1)
    lbd.kill()
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: "said" in lbd.log_of("web:8081"))
    lbd = lbd.restart()
    lbd.wait_up(1)
    assert one(lbd)["pid"] == pid and one(lbd)["note"] == ""


def test_no_descriptor_for_a_socket_that_is_kept(lab):
    """As where nobody has kept it: it serves on, and its note says that its watchdog does not count; others' do."""
    lbd = dogs(lab, "5s")
    lbd.wait_up(3)
    keeper = lbd.keeper()
    wait_equal(lambda: kept_by(keeper), 3)
    before = take_descriptors(keeper)
    lbd.config(dogs_conf(lab, "5s", "8081-8084"))
    lbd.ctl("reload")
    lbd.wait_up(4)
    wait_until(lambda: "no descriptor is left for what a worker has" in lbd.output(), lbd.output)
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, before)
    pids = lbd.pids()
    lbd.kill()
    lbd = lbd.restart()
    wait_until(lambda: "does not count" in notes(lbd)["web:8084"], lambda: lbd.output())
    assert [notes(lbd)[name] for name in DOGS] == [""] * 3
    assert lbd.pids() == pids and set(lbd.states().values()) == {"up"}


# Of another user: tries to have what the keeper has, by its address and by its descriptors.
THIEF = """
import ctypes, os, socket, sys
SYS_pidfd_getfd = 438
os.setgroups([]); os.setgid(65534); os.setuid(65534)
keeper = int(sys.argv[1])
process = os.pidfd_open(keeper)
libc = ctypes.CDLL(None, use_errno=True)
taken = [fd for fd in range(64) if libc.syscall(SYS_pidfd_getfd, process, fd, 0) >= 0]
names = [line.split()[7] for line in open("/proc/net/unix") if sys.argv[2] in line]
answers = 0
for name in names:
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:
        with socket.socket(socket.AF_UNIX, kind) as to:
            to.settimeout(0.5)
            try: to.connect(b"\\0" + name[1:].encode()); answers += bool(to.recv(1))
            except OSError: pass
print("taken", len(taken), "names", len(names), "answers", answers, flush=True)
"""


def test_the_keeper_gives_nothing_to_another_user(lab):
    """Alive or with lbd dead."""
    lbd = lab.lbd(web("8081", worker="ready notify;"))
    lbd.wait_up(1)
    keeper = lbd.keeper()
    wait_equal(lambda: kept_by(keeper), 1)
    for _ in range(2):
        thief = lab.process(PYTHON, "-c", THIEF, keeper, "lbd/%s/output/" % lbd.instance)
        thief.wait_output("^taken 0 names 1 answers 0$")
        lbd.kill()
    assert alive(keeper) and kept_by(keeper) == 1


def test_the_keeper_lets_go_of_the_sockets_of_the_dead(lab):
    """Else its descriptors would run out, and it would be there for ever after lbd."""
    lbd = dogs(lab, "5s")
    lbd.wait_up(3)
    keeper = lbd.keeper()
    wait_equal(lambda: kept_by(keeper), 3)
    for _ in range(3):
        lbd.ctl("roll", "web", "wait")
    wait_equal(lambda: kept_by(keeper), 3)
    pids = lbd.pids()
    lbd.kill()
    assert alive(keeper)
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(keeper))


@pytest.mark.parametrize("how", ("run directory", "kill of both"))
def test_a_lost_socket_is_not_taken_for_silence(lab, how):
    """What they say goes nowhere from then on: nothing says that they hang."""
    lbd = dogs(lab, "5s")
    lbd.wait_up(3)
    pids = lbd.pids()
    if how == "kill of both":
        kill_both(lbd)
        lbd = lbd.restart()
    else:
        shutil.rmtree("/run/lbd/" + lbd.instance)
        wait_until(lambda: not lbd.ctl("pid", check=False).returncode, "is made again")
    for _ in "the first", "the lbd after it, to which the new sockets are handed on":
        wait_until(
            lambda: all("its watchdog does not count" in note for note in notes(lbd).values()),
            lambda: lbd.output(),
        )
        assert lbd.pids() == pids and set(lbd.states().values()) == {"up"}
        wait_equal(lambda: kept_by(lbd.keeper()), 3)
        lbd.kill()
        lbd = lbd.restart()
    wait_until(lambda: "does not count" in "".join(notes(lbd).values()), lambda: lbd.output())
    assert lbd.pids() == pids
    lbd.ctl("roll", "web", "wait")
    wait_equal(lambda: notes(lbd), dict.fromkeys(DOGS, ""))


def test_the_silent_are_restarted_one_after_the_other(lab):
    """However many are silent at once, the others serve until it is up again."""
    lbd = dogs(lab, "5s")
    lbd.wait_up(3)
    pids = lbd.pids()
    (lab.path / "silent").touch()
    wait_until(
        lambda: not set(pids.values()) & set(lbd.pids().values()), lambda: lbd.output(), 120
    )
    lbd.wait_up(3)

    def told():
        lines = [line.split() for name in DOGS for line in lbd.log_of(name).splitlines()]
        return [word for word, _ in sorted(lines, key=lambda line: float(line[1]))]

    wait_equal(told, ["up"] * 3 + ["down", "up"] * 3)
    assert "hangs" in lbd.output() and "another of its pool is being restarted" in lbd.output()


def test_never_ready_is_given_up(lab):
    settings = "start_timeout 3s; stop_timeout 200ms; start_retries 1; backoff 20ms 20ms;"
    lbd = lab.lbd(web("8081", words="--never-listen", worker=settings))
    lbd.wait_worker("web:8081", "fatal")
    assert "web:8081: not ready within" in lbd.output()
    assert "will not listen" in lbd.output()


# Of another user: passes connections whose last close(2) lasts for LINGER_S each, as its peers are here.
LINGER_S = 600
STRANGER = """
import os, signal, socket, struct, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
to = socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[2]))
try: to.connect(sys.argv[1])
except PermissionError: print("kept out", flush=True); sys.exit()
server = socket.create_server(("127.0.0.1", 0))
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
peers = []
def lingering():
    fd = socket.create_connection(server.getsockname())
    fd.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    peers.append(server.accept()[0])
    fd.setblocking(False)
    try:
        while True: fd.send(bytes(1 << 16))
    except BlockingIOError: pass
    fd.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, int(sys.argv[3])))
    return fd
to.setblocking(False)
messages, each = map(int, sys.argv[4:])
try:
    for _ in range(messages):
        fds = [lingering() for _ in range(each)]
        socket.send_fds(to, [b"X=x\\n"], [fd.fileno() for fd in fds])
        for fd in fds: fd.close()
    print("sent", flush=True)
except BlockingIOError: print("sent until its queue was full", flush=True)
except PermissionError: print("refused", flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    "name, kind", [("notify/web:8081", "SOCK_DGRAM"), ("control", "SOCK_STREAM")]
)
def test_a_strangers_descriptor_keeps_nobody(lab, name, kind):
    """Sent while lbd stands still, closed by its sender: lbd has the last of it, or is spared it."""
    lbd = lab.lbd("control { mode 0666; }" + web("8081", worker="ready notify;"))
    lbd.wait_up(1)
    path = "/run/lbd/%s/%s" % (lbd.instance, name)
    if kind == "SOCK_DGRAM":
        os.chown(path, 65534, -1)  # as one of the worker's user
    lbd.signal(signal.SIGSTOP)
    stranger = lab.process(PYTHON, "-c", STRANGER, path, kind, LINGER_S, 1, 1)
    stranger.wait_output("^(sent|refused)")
    lbd.signal(signal.SIGCONT)
    assert lbd.instance in lbd.ctl("status", timeout=LINGER_S / 4)
    lbd.signal(signal.SIGTERM)
    assert lbd.popen.wait(LINGER_S / 4) == 0


def test_a_strangers_descriptors_keep_no_other_user(lab):
    """As many as lbd closes at the same time for one user, and more: another's barrier is answered."""
    its = pool("sleep 1000", "user nobody; ready notify; stdout none;")
    lbd = lab.lbd(
        its + web("8082", worker="ready notify;", name="other", listen=["0.0.0.0:81"])
    )
    lbd.wait_up(1, "other")
    path = "/run/lbd/%s/notify/" % lbd.instance
    lbd.signal(signal.SIGSTOP)
    stranger = lab.process(PYTHON, "-c", STRANGER, path + "web:8081", "SOCK_DGRAM", LINGER_S, 20, 1)
    stranger.wait_output("^sent")
    lbd.signal(signal.SIGCONT)
    for n in range(100):
        mine, answer = os.pipe()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.connect(path + "other:8082")
            socket.send_fds(to, [b"BARRIER=1"], [answer])
        os.close(answer)
        assert select.select([mine], [], [], LINGER_S / 4)[0], n
        assert os.read(mine, 1) == b""
        os.close(mine)


def test_a_strangers_descriptors_keep_no_reexec(lab):
    """What lbd has not closed yet is closed by its execve(2)."""
    lbd = lab.lbd(web("8081", worker="user nobody; ready notify;"))
    lbd.wait_up(1)
    path = "/run/lbd/%s/notify/web:8081" % lbd.instance
    lbd.signal(signal.SIGSTOP)
    stranger = lab.process(PYTHON, "-c", STRANGER, path, "SOCK_DGRAM", LINGER_S, 1, 20)
    stranger.wait_output("^sent")
    lbd.signal(signal.SIGCONT)
    lbd.ctl("reexec", timeout=LINGER_S / 4)
    assert lbd.instance in lbd.ctl("status", timeout=LINGER_S / 4)


def test_a_socket_of_its_user_alone(lab):
    """The kernel refuses others, who would cost lbd time and crowd out the worker."""
    lbd = lab.lbd(web("8081", worker="ready notify;"))
    lbd.wait_up(1)
    path = "/run/lbd/%s/notify/web:8081" % lbd.instance
    found = os.stat(path)
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, 0)
    lab.process(PYTHON, "-c", STRANGER, path, "SOCK_DGRAM", 0, 1, 1).wait_output("^kept out")


SPEAKS = """
import os, signal, socket, sys
speak = lambda text: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text, os.environ["NOTIFY_SOCKET"])
signal.signal(signal.SIGUSR1, lambda number, frame: speak(b"STOPPING=1"))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
speak(b"READY=1")
held = []
while True: held.append(listener.accept())
"""


def speaker(lab, user, program=SPEAKS, output="stdout none;"):
    path = lab.short / "speaks.py"  # not in the tests' own directory, which is root's
    lab.short.chmod(0o755)
    path.write_text(program)
    return pool("%s %s $port" % (PYTHON, path), "user %s; ready notify; %s" % (user, output))


def test_a_worker_with_a_user_speaks(lab):
    """Also to the next lbd."""
    lbd = lab.lbd(speaker(lab, "nobody"))
    lbd.wait_up(1)
    lbd.kill()
    lbd = lbd.restart()
    lbd.wait_up(1)
    lbd.ctl("signal", "web:8081", "USR1")
    wait_until(lambda: one(lbd)["state"] != "up", lambda: one(lbd))


@pytest.mark.parametrize("end", ["", "kill"])
def test_one_that_only_says_that_it_stops(lab, end):
    """Its open connections have their time, and itself stop_timeout: it does not stay out of service for ever."""
    closes = SPEAKS.replace("held.append(listener.accept())", "listener.accept()[0].recv(1)")
    lbd = lab.lbd(speaker(lab, "nobody", closes, "stop_timeout 200ms;"))
    lbd.wait_up(1)
    pid, held = one(lbd)["pid"], lab.connect()
    wait_equal(lbd.active, {"8081": 1})
    lbd.ctl("signal", "web:8081", "USR1")
    wait_equal(lambda: one(lbd)["state"], "draining")
    if end:
        lbd.kill()
        lbd = lbd.restart()
        assert one(lbd)["state"] == "draining"
    assert held.is_open()
    held.close()
    lbd.wait_output("web:8081: said STOPPING=1, and has not ended 200 ms after its drain")
    wait_until(lambda: one(lbd)["pid"] not in (0, pid), lambda: one(lbd))
    lbd.wait_up(1)
    assert "drain deadline" not in lbd.output()


def test_whose_socket_it_is_outlives_the_configuration(lab):
    """The process has the user that it was started with, until its roll comes to it."""
    lbd = lab.lbd(speaker(lab, "nobody"))
    lbd.wait_up(1)
    pids = lbd.pids()
    held = lab.connect()  # the roll waits for its end
    wait_equal(lbd.active, {"8081": 1})
    lbd.config(speaker(lab, "daemon"))
    lbd.ctl("reload")
    lbd.kill()
    lbd = lbd.restart()
    assert lbd.pids() == pids and held.is_open()
    path = "/run/lbd/%s/notify/web:8081" % lbd.instance
    assert os.stat(path).st_uid == pwd.getpwnam("nobody").pw_uid
    held.close()
    os.kill(pids["web:8081"], signal.SIGKILL)
    wait_until(lambda: one(lbd)["pid"] not in (0, pids["web:8081"]), lambda: one(lbd))
    lbd.wait_up(1)
    assert os.stat(path).st_uid == pwd.getpwnam("daemon").pw_uid


TELLS = """
import os, signal, socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("told, exit code", subprocess.run(["systemd-notify", "--ready"]).returncode, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("user", ("root", "nobody"))
def test_readiness_by_systemd_notify(lab, user):
    """It waits for lbd to have heard it: until then its process is there, by which lbd knows whose word it is."""
    lbd = lab.lbd(speaker(lab, user, TELLS, ""))
    lbd.wait_up(1)
    wait_equal(lambda: lbd.log_of("web:8081"), "told, exit code 0\n")


@pytest.mark.parametrize("watchdog", ["", "watchdog 10s;"])
def test_what_an_environment_file_brings_of_it(lab, watchdog):
    """Names that lbd alone can fill in, with no room for a pid; sanitizers see where the child writes one."""
    path = lab.path / "environment"
    path.write_text("LISTEN_PID=\nLISTEN_FDS=\nWATCHDOG_PID=\nWATCHDOG_USEC=\nNOTIFY_SOCKET=\n")
    lbd = lab.lbd(web("8081", worker="ready notify; environment_file %s; %s" % (path, watchdog)))
    lbd.wait_up(1)
    pid = one(lbd)["pid"]
    with open("/proc/%d/environ" % pid) as file:
        found = dict(line.split("=", 1) for line in file.read().split("\0") if line)
    assert found["NOTIFY_SOCKET"].endswith("/notify/web:8081")
    assert not [name for name in found if name.startswith("LISTEN_")], "lbd passes no listener"
    assert found.get("WATCHDOG_PID") == (str(pid) if watchdog else None)
