# SPDX-License-Identifier: Apache-2.0
"""`listen inherit`: lbd owns the listener, so that its queue outlives the process behind it."""

import os
import pathlib

import pytest

from clients import Connection
from lab import (
    APP,
    CLIENT6,
    HOST4,
    HOST6,
    PYTHON,
    alive,
    kill_and_wait,
    pool,
    wait_equal,
    wait_until,
    web,
)


def inherit(lab, ports="8081-8084", worker="", **options):
    return lab.lbd(web(ports, words="--inherit", worker="listen inherit; " + worker, **options))


def test_served(lab):
    lbd = inherit(lab)
    lbd.wait_up(4)
    lab.expect_workers({"8081", "8082", "8083", "8084"}, 16)


def test_dual_stack(lab):
    lbd = inherit(lab, "8081", "dual_stack on;", listen=("0.0.0.0:80", "[::]:80"))
    lbd.wait_up(1)
    assert lab.get(host=HOST6).body == CLIENT6 + "\n"
    assert lab.get(host=HOST4).status == 200


def test_killed_under_load(lab):
    """At most what it had accepted is lost; what waits in the queue is its successor's."""
    lbd = inherit(lab, worker="backoff 100ms 200ms;")
    lbd.wait_up(4)
    pid = lbd.pids()["web:8081"]
    load = lab.load(rate=120, path=["/@9", "/block?s=0.05@1"])
    load.wait_count(100)
    death = kill_and_wait(pid)
    load.wait_count(100)
    lbd.wait_up(4)
    records = load.stop()
    failed = [r for r in records if r.outcome != "ok"]
    assert not [r for r in failed if r.opened > death]
    assert {r.outcome for r in failed} <= {"reset", "closed"}


def test_queue_is_answered_by_the_successor(lab):
    """The only worker stands still, a queue builds up, it dies: every queued request is answered."""
    lbd = inherit(lab, "8081", "backoff 50ms 50ms;")
    lbd.wait_up(1)
    pid = lbd.pids()["web:8081"]
    lab.process("kill", "-STOP", str(pid)).wait()
    burst = lab.load("burst", count=50)
    wait_until(lambda: lbd.backend("127.0.0.1:8081")["queue"] == 50, lambda: lbd.pool())
    kill_and_wait(pid)
    records = burst.finish()
    assert [r.outcome for r in records] == ["ok"] * 50
    assert {r.pid for r in records} == {lbd.pids()["web:8081"]}


def test_survives_lbd_too(lab):
    """A new lbd takes the listener back from the workers."""
    lbd = inherit(lab, "8081-8082")
    lbd.wait_up(2)
    pids = lbd.pids()
    load = lab.load(rate=80)
    load.wait_count(20)
    lbd.kill()
    load.wait_count(20)
    again = lbd.restart()
    again.wait_up(2)
    assert again.pids() == pids
    death = kill_and_wait(pids["web:8081"])
    wait_until(lambda: again.pids()["web:8081"] not in (0, pids["web:8081"]), again.pids)
    again.wait_up(2)
    load.wait_count(20)
    failed = [r for r in load.stop() if r.outcome != "ok"]
    assert not [r for r in failed if r.opened > death]
    assert {r.outcome for r in failed} <= {"reset", "closed"}
    assert alive(again.pids()["web:8081"])


def test_queue_outlives_a_reexec(lab):
    """The lbd that leaves does not shut down what its workers go on with."""
    lbd = inherit(lab, "8081")
    lbd.wait_up(1)
    pid = lbd.pids()["web:8081"]
    lab.process("kill", "-STOP", str(pid)).wait()
    burst = lab.load("burst", count=50)
    wait_until(lambda: lbd.backend("127.0.0.1:8081")["queue"] == 50, lbd.pool)
    lbd.ctl("reexec", timeout=120)
    lab.process("kill", "-CONT", str(pid)).wait()
    records = burst.finish()
    assert [(r.outcome, r.pid) for r in records] == [("ok", pid)] * 50


def test_roll_loses_nothing(lab):
    lbd = inherit(lab, "8081-8082")
    lbd.wait_up(2)
    load = lab.load(rate=80)
    lbd.ctl("roll", "web", "wait", timeout=120)
    load.wait_count(20)
    assert {r.outcome for r in load.stop()} == {"ok"}


def test_stopped_one_is_not_chosen(lab):
    lbd = inherit(lab, "8081-8082")
    lbd.wait_up(2)
    lbd.ctl("worker", "stop", "web:8081")
    lbd.wait_worker("web:8081", "stopped")
    lab.expect_workers({"8082"}, 8)
    lbd.ctl("worker", "start", "web:8081")
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 8)


SHUTTER = """
import os, signal, socket, time
s = socket.socket(fileno=3)
signal.signal(signal.SIGUSR1, lambda *_: s.shutdown(socket.SHUT_RDWR))
signal.signal(signal.SIGUSR2, lambda *_: (s.shutdown(socket.SHUT_RDWR), s.connect(("127.0.0.1", 1))))
s.setblocking(False)
while True:
    time.sleep(0.01)
    try:
        c = s.accept()[0]
    except OSError:
        continue
    c.setblocking(True)
    c.recv(65536)
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nX-Worker: 1\\r\\nX-Pid: %d\\r\\nX-Version: 0\\r\\nConnection: close\\r\\n\\r\\n" % os.getpid())
    c.close()
"""


def shutter(lab, text=SHUTTER):
    script = lab.path / "shutter.py"
    script.write_text(text)
    lbd = lab.lbd(
        "pool web { worker { ports 8081; command '%s %s'; listen inherit; } }"
        "service web { listen 0.0.0.0:80; pool web; }" % (PYTHON, script)
    )
    lbd.wait_up(1)
    assert lab.get().status == 200
    return lbd


def relistened(lbd):
    return lbd.workers()["web:8081"].get("relistened", 0)


def test_a_listener_that_is_shut_down_listens_again(lab):
    lbd = shutter(lab)
    pid = lbd.pids()["web:8081"]
    for times in (1, 2, 3):
        lbd.ctl("signal", "web:8081", "USR1")
        wait_equal(lambda: relistened(lbd), times)
        assert lab.get().pid == pid
    assert "listens again (3 times so far)" in lbd.output()


def test_shut_down_while_lbd_is_dead(lab):
    lbd = shutter(lab)
    pid = lbd.pids()["web:8081"]
    lbd.kill()
    lab.process("kill", "-USR1", str(pid)).wait()
    wait_until(lambda: refused(lab), "shut down")
    again = lbd.restart()
    again.wait_up(1)
    assert lab.get().pid == pid


def refused(lab):
    try:
        lab.get()
    except OSError:
        return True
    return False


def sink_at(lab, port):
    """Listens, and never reads."""
    lab.host.ip("link", "set", "lo", "up")
    text = "import socket,time\ns=socket.create_server(('127.0.0.1',%d))\nprint('up',flush=True)\ntime.sleep(1000)"
    sink = lab.process(PYTHON, "-c", text % port)
    sink.wait_output("^up")
    return sink


def test_one_that_cannot_listen_any_more_is_opened_anew(lab):
    """Connected to somewhere, a socket never listens again: the worker gets another."""
    lbd = shutter(lab)
    pid = lbd.pids()["web:8081"]
    sink_at(lab, 1)
    lab.process("kill", "-USR2", str(pid)).wait()
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), lbd.workers)
    lbd.wait_up(1)
    assert lab.get().pid == lbd.pids()["web:8081"]


# Its listener becomes a connection whose last close(2) waits for a peer that does not read; lbd has it, too.
LINGERER = SHUTTER.replace(
    "s.setblocking",
    """def linger(*_):
    s.settimeout(None)
    while True:
        try:
            s.shutdown(socket.SHUT_RDWR)
            s.connect(("127.0.0.1", 1))
            break
        except OSError:
            pass  # lbd listened again in between
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes((1, 0, 0, 0, 88, 2, 0, 0)))
    s.setblocking(False)
    try:
        while True:
            s.send(bytes(1 << 16))
    except BlockingIOError:
        os._exit(1)
signal.signal(signal.SIGHUP, linger)
s.setblocking""",
    1,
)


def test_one_whose_close_lasts_holds_nobody_up(lab):
    lbd = shutter(lab, LINGERER)
    pid = lbd.pids()["web:8081"]
    sink = sink_at(lab, 1)
    lab.process("kill", "-HUP", str(pid)).wait()
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), lbd.workers)
    lbd.wait_up(1)
    assert lab.get().pid == lbd.pids()["web:8081"]
    assert alive(sink.pid)


# By each of them a client of the namespace beside gets no answer: it is behind a router; or would have to sign.
SPOILERS = {
    "IP_MINTTL": "s.setsockopt(0, 21, 255)",
    "TCP_MD5SIG": "s.setsockopt(6, 32, b'\\2' + bytes(127) + b'\\1\\0\\1' + bytes(5) + b'k' + bytes(79))",
}


def unanswered(lab):
    try:
        with Connection(lab.client, HOST4, 80, timeout=0.5) as connection:
            connection.get()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("option", SPOILERS)
def test_an_option_does_not_outlive_its_worker(lab, option):
    spoil = "signal.signal(signal.SIGHUP, lambda *_: %s)\ns.setblocking" % SPOILERS[option]
    lbd = shutter(lab, SHUTTER.replace("s.setblocking", spoil, 1))
    pid = lbd.pids()["web:8081"]
    lbd.ctl("signal", "web:8081", "HUP")
    wait_until(lambda: unanswered(lab), "%s lets nobody in" % option)
    kill_and_wait(pid)
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid))
    lbd.wait_up(1)
    assert lab.get().pid == lbd.pids()["web:8081"]
    assert "web:8081: its process has set %s of its inherited listener" % option in lbd.output()


# The first process leaves something behind; each waits in accept(2), and ends where that does not wait.
WAITER = """
import fcntl, os, socket, sys
s = socket.socket(fileno=3)
if not os.path.exists(sys.argv[1]):
    open(sys.argv[1], "w").close()
    %s
    os._exit(1)
while True:
    c = socket.socket(fileno=s._accept()[0])
    c.recv(65536)
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nX-Worker: 1\\r\\nX-Pid: %%d\\r\\nX-Version: 0\\r\\nConnection: close\\r\\n\\r\\n" %% os.getpid())
    c.close()
"""
LEFT_BEHIND = {
    "O_NONBLOCK": "fcntl.fcntl(3, fcntl.F_SETFL, fcntl.fcntl(3, fcntl.F_GETFL) | os.O_NONBLOCK)",
    "SO_RCVTIMEO": "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bytes(8) + b'\\1' + bytes(7))",
}


@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_accept_waits_whatever_the_one_before_left(lab, what):
    script = lab.path / "waiter.py"
    script.write_text(WAITER % LEFT_BEHIND[what])
    command = "%s %s %s" % (PYTHON, script, lab.path / "left")
    lbd = lab.lbd(pool(command, "listen inherit; backoff 50ms 50ms;"))
    lbd.wait_up(1)
    pid = lab.get().pid
    assert pid == lbd.pids()["web:8081"]
    assert lbd.workers()["web:8081"]["restarts"] == 1


# As uvicorn's --fd: asyncio takes the listener for a Unix socket, and sets no TCP_NODELAY.  Its body says what is set.
PARTS = """
import asyncio, os, socket, sys
listener = socket.socket(socket.AF_UNIX, fileno=3)
if len(sys.argv) > 1 and not os.path.exists(sys.argv[1]):
    open(sys.argv[1], "w").close()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    os._exit(1)
async def answer(reader, writer):
    connection = writer.get_extra_info("socket")
    while True:
        await reader.readuntil(b"\\r\\n\\r\\n")
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\nX-Worker: 1\\r\\nX-Pid: %d\\r\\nX-Version: 0\\r\\n\\r\\n" % os.getpid())
        await writer.drain()
        writer.write(b"%d" % bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        await writer.drain()
async def main():
    async with await asyncio.start_server(answer, sock=listener) as server:
        await server.serve_forever()
asyncio.run(main())
"""


@pytest.mark.parametrize("cleared", [False, True], ids=["new", "cleared by the one before"])
def test_answers_in_parts_are_not_delayed(lab, cleared):
    script = lab.path / "parts.py"
    script.write_text(PARTS)
    command = "%s %s %s" % (PYTHON, script, lab.path / "cleared" if cleared else "")
    lbd = lab.lbd(pool(command, "listen inherit; backoff 50ms 50ms;"))
    lbd.wait_up(1)
    with Connection(lab.client, HOST4, 80) as connection:
        assert {connection.get().body for _ in range(20)} == {"1"}


def stop_and_start(lbd):
    lbd.ctl("worker", "stop", "web:8081")
    lbd.wait_worker("web:8081", "stopped")
    lbd.ctl("worker", "start", "web:8081")


def change_settings(lbd):
    text = lbd.conf.read_text()
    lbd.conf.write_text(text.replace("listen inherit;", "listen inherit; umask 077;"))
    lbd.ctl("reload")


RENEWALS = {
    "a crash": (lambda lbd: kill_and_wait(lbd.pids()["web:8081"]), False),
    "a restart": (lambda lbd: lbd.ctl("worker", "restart", "web:8081"), False),
    "stop and start": (stop_and_start, True),
    "other settings": (change_settings, True),
}


@pytest.mark.parametrize("what", RENEWALS)
def test_who_gets_another_listener(lab, what):
    lbd = shutter(lab)
    pid = lbd.pids()["web:8081"]
    before = os.readlink("/proc/%d/fd/3" % pid)
    act, is_new = RENEWALS[what]
    act(lbd)
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid))
    lbd.wait_up(1)
    pid = lbd.pids()["web:8081"]
    assert (os.readlink("/proc/%d/fd/3" % pid) != before) == is_new
    assert lab.get().pid == pid


SPINNER = """
import os, socket
os.setgroups([]), os.setgid(65534), os.setuid(65534)
print("spins", flush=True)
while True:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        while True:
            try:
                s.bind(("127.0.0.1", 8081))
                break
            except OSError:
                pass
        s.listen()
        print("got it", flush=True)
    except OSError:
        print("bound beside it", flush=True)
    s.close()
"""


def other_addresses(lbd):
    text = lbd.conf.read_text()
    on = "listen inherit; dual_stack on;"
    other = text.replace(on, "listen inherit;") if on in text else text.replace("listen inherit;", on)
    lbd.conf.write_text(other)
    lbd.ctl("reload")


def other_mask(lbd):
    text = lbd.conf.read_text()
    mask = "077" if "umask 027;" in text else "027"
    text = text.replace("umask 027;", "").replace("umask 077;", "")
    lbd.conf.write_text(text.replace("listen inherit;", "listen inherit; umask %s;" % mask))
    lbd.ctl("reload")


GAPS = {
    "stop and start": (stop_and_start, 30),
    "other settings": (other_mask, 15),
    "other addresses": (other_addresses, 10),
}


@pytest.mark.parametrize("what", GAPS)
def test_nobody_gets_the_port_in_between(lab, what):
    """Whoever tries it all the time, while the listener is renewed."""
    lab.host.ip("link", "set", "lo", "up")
    lbd = shutter(lab)
    spinner = lab.process(PYTHON, "-c", SPINNER, log="spinner.log")
    spinner.wait_output("^spins")
    act, times = GAPS[what]
    for _ in range(times):
        pid = lbd.pids()["web:8081"]
        before = os.readlink("/proc/%d/fd/3" % pid)
        act(lbd)
        wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), lbd.workers)
        lbd.wait_up(1)
        assert os.readlink("/proc/%d/fd/3" % lbd.pids()["web:8081"]) != before
    assert spinner.output().split() == ["spins"] and alive(spinner.pid)


BOX = """
import os, socket, sys, time
# What a worker sends it stays in its queue: no process has it in its table.
box = socket.socket(socket.AF_UNIX)
box.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
box.listen(4)
os.setgroups([]), os.setgid(65534), os.setuid(65534)
print("waits", flush=True)
peer, _ = box.accept()
peer.recv(1, socket.MSG_PEEK)
print("has it", flush=True)
time.sleep(1000)
"""
HIDES = """
import os, socket, sys
if not os.path.exists(sys.argv[2] + ".given"):
    listener = socket.socket(fileno=os.dup(3))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    box = socket.socket(socket.AF_UNIX)
    box.connect(sys.argv[2])
    socket.send_fds(box, [b"x"], [3])
    open(sys.argv[2] + ".given", "w").close()
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, sys.argv[3], "--port=" + sys.argv[1], "--inherit"])
"""


def hider(lab):
    lab.short.chmod(0o777)
    box = lab.short / "box"
    (lab.path / "box.py").write_text(BOX)
    (lab.short / "hides.py").write_text(HIDES)
    holder = lab.process(PYTHON, lab.path / "box.py", box, log="box.log")
    holder.wait_output("^waits")
    command = "%s %s $port %s %s" % (PYTHON, lab.short / "hides.py", box, APP)
    lbd = lab.lbd(pool(command, "listen inherit; user daemon; backoff 50ms 50ms;"))
    lbd.wait_up(1)
    holder.wait_output("^has it")
    return lbd, holder


def test_a_hidden_copy_does_not_keep_the_port(lab):
    """Its SO_REUSEADDR was cleared besides."""
    lbd, holder = hider(lab)
    for _ in range(3):
        stop_and_start(lbd)
        lbd.wait_up(1)
        for _ in range(4):
            assert lab.get().pid == lbd.pids()["web:8081"]
    assert alive(holder.pid)


def test_a_hidden_copy_is_not_roots(lab):
    """lbd made it, and cannot take it back after its own death: what is known of it is told."""
    lbd, holder = hider(lab)
    pid = lbd.pids()["web:8081"]
    lbd.kill()
    kill_and_wait(pid)
    lbd = lbd.restart()
    said = (
        "port 8081 is in use by a socket that this worker has inherited, it seems, and that is still "
        "open somewhere (a process outside of its control group, perhaps of user daemon, may hold it): "
        "end it, or change `ports`; tried again until it is free"
    )
    wait_equal(lambda: lbd.workers()["web:8081"]["note"], said)
    assert "user root" not in lbd.output()
    holder.kill()
    lbd.wait_up(1)
    assert lab.get().pid == lbd.pids()["web:8081"]


# What it does before it listens, or accepts, is up to the file `release`; each time it is told when.
RELEASE = """
echo begin $(date +%%s.%%N)
. %s
echo end $(date +%%s.%%N)
exec %s %s ${LISTEN_FDS:+--inherit} --port=$1
"""
BUSY = "/sleep?s=0.1"  # some have open connections at any time: who has none is chosen


def released(lab, worker, release):
    """Configuration of two such workers."""
    file = lab.path / "release"
    if not file.exists():
        file.write_text(release)
    command = lab.script(RELEASE % (file, PYTHON, APP))
    return "attach eth0; " + pool(command, worker, "8081-8082")


def times(lbd):
    """(begin, end) of the loading of each of their processes, in order."""
    words = [line.split() for name in lbd.pids() for line in lbd.log_of(name).splitlines()]
    pairs = [(w[0], float(w[1])) for w in words if w[0] in ("begin", "end")]
    starts = [at for word, at in pairs if word == "begin"]
    ends = [at for word, at in pairs if word == "end"]
    return sorted(zip(starts, ends))


@pytest.mark.parametrize("how", ("reload", "death"))
@pytest.mark.parametrize(
    "before, after",
    (
        ("listen inherit;", "listen own;"),
        ("listen own;", "listen inherit;"),
        ("listen inherit;", "listen inherit; dual_stack on;"),
        ("listen inherit; dual_stack on;", "listen inherit;"),
    ),
)
def test_another_way_to_listen_loses_nobody(lab, before, after, how):
    """What lbd kept of the time before is no sign that the new process listens."""
    release = "sleep 2"
    lbd = lab.lbd(released(lab, before, release))
    lbd.wait_up(2)
    pids = lbd.pids()
    load = lab.load(rate=40, path=BUSY)
    load.wait_count(40)
    lbd.config(released(lab, after, release))
    if how == "reload":
        lbd.ctl("reload")
    else:
        lbd.kill()
        lbd = lbd.restart()
    wait_until(
        lambda: not set(pids.values()) & set(lbd.pids().values()), lambda: lbd.output(), 120
    )
    lbd.wait_up(2)
    load.wait_count(40)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert "roll ended" not in lbd.output()


def failed_roll(lbd):
    result = lbd.ctl("roll", "web", "wait", check=False, timeout=120)
    assert result.returncode == 1, result
    return result.stderr


def test_a_broken_release_ends_the_roll(lab):
    """It lives for a while, on a listener that is there, and accepts nothing."""
    settings = "listen inherit; backoff 50ms 50ms; start_retries 1000;"
    lbd = lab.lbd(released(lab, settings, ""))
    lbd.wait_up(2)
    before = lbd.pids()
    load = lab.load(rate=40, path=BUSY, timeout=60)
    load.wait_count(40)
    (lab.path / "release").write_text("sleep 2; exit 1")
    text = failed_roll(lbd)
    assert "did not get ready: exited with code 1" in text and "1 of 2 workers not touched" in text
    after = lbd.pids()
    (broken,) = [name for name in before if before[name] != after[name]]
    restarts = lbd.workers()[broken]["restarts"]
    seen = set()
    while lbd.workers()[broken]["restarts"] < restarts + 2:
        seen.add(lbd.workers()[broken]["state"])
    assert seen <= {"starting", "backoff"}, seen
    (lab.path / "release").write_text("")
    lbd.wait_up(2)
    assert lbd.workers()[broken]["failures"] > 0
    load.wait_count(40)
    assert {r.outcome for r in load.stop()} == {"ok"}


def test_a_slow_release_loads_one_at_a_time(lab):
    """Who waits for one that loads is in its queue; all others go to the one that has loaded."""
    lbd = lab.lbd(released(lab, "listen inherit;", ""))
    lbd.wait_up(2)
    load = lab.load(rate=40, path=BUSY)
    load.wait_count(40)
    (lab.path / "release").write_text("sleep 3")
    lbd.ctl("roll", "web", "wait", timeout=120)
    assert {r.outcome for r in load.stop()} == {"ok"}
    first, second = times(lbd)[2:]
    assert first[1] < second[0], (first, second)


def test_one_that_accepts_nothing_is_given_up(lab):
    """It lives, and all who came to it wait."""
    lbd = lab.lbd(released(lab, "listen inherit; start_timeout 4s;", ""))
    lbd.wait_up(2)
    load = lab.load(rate=40, path=BUSY, timeout=60)
    load.wait_count(40)
    (lab.path / "release").write_text("sleep 1000")
    text = failed_roll(lbd)
    assert "not ready within 4000 ms: accepts nothing" in text
    (lab.path / "release").write_text("")
    lbd.wait_up(2)
    assert {r.outcome for r in load.stop()} == {"ok"}


def test_a_trial_survives_lbd(lab):
    """Its time goes on; until then it serves."""
    lbd = lab.lbd(released(lab, "listen inherit;", ""))
    lbd.kill()
    lbd = lbd.restart()
    pids = lbd.pids()
    assert 0 not in pids.values() and lab.get().status == 200
    lbd.wait_up(2)
    assert lbd.pids() == pids
    assert {w["restarts"] for w in lbd.workers().values()} == {0}


def checked(lab, check, worker="", release=""):
    """Two such workers, whose pool has a check by http."""
    text = released(lab, "listen inherit; " + worker, release)
    return text.replace("pool web {", "pool web { health { http /health; %s }" % check, 1)


def test_a_release_that_fails_its_check_ends_the_roll(lab):
    """The check of the process before passed: that says nothing of the next, which gets no client."""
    lbd = lab.lbd(checked(lab, "interval 200ms;", "start_timeout 12s;"))
    lbd.wait_up(2)
    before = lbd.pids()
    load = lab.load(rate=40, path=BUSY, timeout=60)
    load.wait_count(40)
    sick = lab.path / "sick"
    sick.touch()
    words = "exec %s %s --inherit --port=$1 --version=2 --sick=%s" % (PYTHON, APP, sick)
    (lab.path / "release").write_text(words)
    text = failed_roll(lbd)
    assert "did not get ready: check: 503" in text and "1 of 2 workers not touched" in text
    after = lbd.pids()
    (broken,) = [name for name in before if before[name] != after[name]]
    load.wait_count(40)
    records = load.stop()
    assert {r.outcome for r in records} == {"ok"}
    assert after[broken] not in {r.pid for r in records}
    sick.unlink()
    lbd.wait_up(2)


@pytest.mark.parametrize("how", ("a restart", "a crash"))
def test_it_is_up_soon_after_it_is_ready_and_not_before(lab, how):
    """Its check is tried from its start on, again and again, whatever the interval."""
    lbd = lab.lbd(checked(lab, "interval 5m;", release="sleep 3"))
    lbd.wait_up(2)
    load = lab.load(rate=20, path=BUSY, timeout=60)
    load.wait_count(20)
    pid, loaded = lbd.pids()["web:8081"], len(times(lbd))
    if how == "a crash":
        kill_and_wait(pid)
        wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), lbd.pids)
        lbd.wait_up(2)
    else:
        lbd.ctl("worker", "restart", "web:8081", timeout=120)
    assert len(times(lbd)) == loaded + 1 and lbd.states()["127.0.0.1:8081"] == "up"
    outcomes = {r.outcome for r in load.stop()}
    assert outcomes <= ({"ok", "reset", "closed"} if how == "a crash" else {"ok"})


FIRST_ALONE = """
import os, select, socket, sys
first, second = socket.socket(fileno=3), socket.socket(fileno=4)
lbd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
lbd.connect(os.environ["NOTIFY_SOCKET"])
lbd.send(b"READY=1")
lbd.setblocking(False)
while True:
    both = os.path.exists(sys.argv[1])
    try:
        lbd.send(b"WATCHDOG=1")
    except OSError:
        pass
    for s in select.select([first, second] if both else [first], [], [], 0.1)[0]:
        c = s.accept()[0]
        c.recv(65536)
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nX-Worker: %d\\r\\nX-Pid: 1\\r\\nX-Version: 0\\r\\nConnection: close\\r\\n\\r\\n" % s.getsockname()[1])
        c.close()
"""


def test_who_accepts_from_one_of_two_is_told(lab):
    """As by `--fd 3`: clients of the other family wait for ever, and all else looks well."""
    script, both = lab.path / "first.py", lab.path / "both"
    script.write_text(FIRST_ALONE)
    lbd = lab.lbd(
        "pool web { worker { ports 8081; command '%s %s %s'; listen inherit; dual_stack on; } }"
        "service web { listen 0.0.0.0:80; listen [::]:80; pool web; }" % (PYTHON, script, both)
    )
    lbd.wait_up(1)
    waiting = lab.load("burst", count=3, host=HOST6, timeout=120)
    lbd.wait_output(r"web:8081: accepts nothing from \[::1\]:8081, .* must accept from both")
    assert lab.get(host=HOST4).status == 200
    assert "[::1]:8081" in lbd.workers()["web:8081"]["note"]
    both.touch()
    lbd.wait_output(r"web:8081: accepts from \[::1\]:8081 again")
    assert {r.outcome for r in waiting.finish()} == {"ok"}
    assert lbd.workers()["web:8081"].get("note", "") == ""
    assert lbd.output().count("accepts nothing from") == 1


def first_alone(lab, ports, words):
    script = lab.path / "first.py"
    script.write_text(FIRST_ALONE)
    return lab.lbd(
        "pool web { scheduler round_robin; worker { ports %s; command '%s %s %s/both-$port'; listen inherit; dual_stack on; %s } }"
        "service web { listen 0.0.0.0:80; listen [::]:80; pool web; }"
        % (ports, PYTHON, script, lab.path, words)
    )


def heard(lab, host, workers):
    """Who answers: each of these, and nobody else."""
    lab.expect_workers(workers, 8, host=host)


def test_another_takes_the_clients_of_who_accepts_from_one_of_two(lab):
    """While there is another; clients who wait already are not given up."""
    (lab.path / "both-8082").touch()
    lbd = first_alone(lab, "8081-8082", "")
    lbd.wait_up(2)
    waiting = lab.load("burst", count=8, host=HOST6, timeout=120)
    lbd.wait_output("web:8081: not chosen for clients over IPv6")
    assert "others of its pool take clients over IPv6" in lbd.workers()["web:8081"]["note"]
    heard(lab, HOST6, {"8082"})
    heard(lab, HOST4, {"8081", "8082"})
    assert lbd.pool()["127.0.0.1:8081"]["listeners"] == ["v4"]
    lbd.ctl("worker", "stop", "web:8082")
    lbd.wait_output("web:8081: chosen again for clients over IPv6: no other")
    assert "others" not in lbd.workers()["web:8081"]["note"]
    lbd.ctl("worker", "start", "web:8082")
    lbd.wait_output("(?s)chosen again.*web:8081: not chosen for clients over IPv6")
    (lab.path / "both-8081").touch()
    lbd.wait_output(r"web:8081: accepts from \[::1\]:8081 again")
    assert {r.outcome for r in waiting.finish()} == {"ok"}
    wait_equal(lambda: lbd.pool()["127.0.0.1:8081"]["listeners"], ["v4", "v6"])
    heard(lab, HOST6, {"8081", "8082"})
    assert notes(lbd) == ["", ""]


def test_it_takes_back_its_own_note_alone(lab):
    """Its watchdog, which does not count, came in between."""
    lbd = first_alone(lab, "8081", "ready notify; watchdog 2s;")
    lbd.wait_up(1)
    waiting = lab.load("burst", count=3, host=HOST6, timeout=120)
    lbd.wait_output("accepts nothing from")
    pathlib.Path("/run/lbd", lbd.instance, "notify", "web:8081").unlink()
    lbd.wait_output("its watchdog does not count")
    assert "accepts nothing from" in notes(lbd)[0]
    (lab.path / "both-8081").touch()
    lbd.wait_output("accepts from .* again")
    assert {r.outcome for r in waiting.finish()} == {"ok"}
    assert "its watchdog does not count" in notes(lbd)[0]


def notes(lbd):
    return [w["note"] for w in lbd.workers().values()]


@pytest.mark.parametrize("setting", ["", "dual_stack on;"])
def test_one_descriptor_takes_both_families(lab, setting):
    """Of the address ::, which a program that is given descriptor 3 alone can serve; also where nothing is said."""
    script = lab.path / "first.py"
    script.write_text(FIRST_ALONE.replace(", socket.socket(fileno=4)", ", None"))
    lbd = lab.lbd(
        "pool web { worker { ports 8081; command '%s %s /no/such'; address ::; listen inherit;"
        " %s } } service web { listen 0.0.0.0:80; listen [::]:80; pool web; }"
        % (PYTHON, script, setting)
    )
    lbd.wait_up(1)
    assert lab.get(host=HOST4).status == lab.get(host=HOST6).status == 200
