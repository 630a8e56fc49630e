# SPDX-License-Identifier: Apache-2.0
"""
Whose a listener is: a local user who takes a backend's port, in whatever way, gets no connection, and a
person is told who it is.
"""

import pathlib
import re
import shutil
import time

import pytest
from lab import (
    HERE,
    HOST4,
    HOST6,
    PYTHON,
    Refused,
    alive,
    kill_and_wait,
    pool,
    wait_equal,
    wait_until,
    web,
)

BOTH = ("0.0.0.0:80", "[::]:80")
THIEF = str(HERE / "workers" / "thief.py")
QUICK = "backoff 50ms 50ms; "


def thief(lab, port, address="127.0.0.1", user="nobody", has_it=True, how=()):
    process = lab.process(PYTHON, THIEF, address, port, user, *how, log="thief.log")
    process.wait_output("^stole it" if has_it else "^lurking")
    return process


def name_of(process, user="nobody"):
    return "thief (pid %d, user %s)" % (process.pid, user)


def expect_nothing_stolen(records, death):
    """Lost is what the worker had when it died, and nothing that came later."""
    assert not [r for r in records if r.worker == "thief"]
    assert not [r for r in records if r.outcome != "ok" and r.opened > death]


def test_the_other_loopback(lab):
    """README's example: a worker at 127.0.0.1 and clients of IPv6."""
    lbd = lab.lbd(web("8081-8082", listen=BOTH))
    lbd.wait_up(2)
    for port in (8081, 8082):
        thief(lab, port, "::1")
    for _ in range(4):
        with pytest.raises(ConnectionRefusedError):
            lab.get(host=HOST6)
    lab.expect_workers({"8081", "8082"}, 4)
    assert {tuple(b["listeners"]) for b in lbd.pool().values()} == {("v4",)}
    assert {b["note"] for b in lbd.pool().values()} == {"no IPv6 listener"}


def test_the_other_loopback_does_not_keep_a_worker_from_starting(lab):
    thief(lab, 8081, "::1")
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    lab.expect_workers({"8081"}, 4)


HOARD = """
import ctypes, os, resource, signal, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.setuid(int(sys.argv[2]))
for _ in range(min(most, 20000) - 100):
    os.dup(0)
for _ in range(int(sys.argv[1])):
    if not os.fork():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        break
print("hoards", os.getpid(), flush=True)
signal.pause()
"""


def sitter(lab, address, port, user):
    """Bound, and no listener."""
    script = (
        "import os, pwd, socket, sys, time\n"
        "s = socket.socket()\n"
        "s.bind((sys.argv[1], int(sys.argv[2])))\n"
        "open('/proc/self/comm', 'w').write('sitter')\n"
        "os.setuid(pwd.getpwnam(sys.argv[3]).pw_uid)\n"
        "print('sits', flush=True)\n"
        "time.sleep(10000)\n"
    )
    process = lab.process(PYTHON, "-c", script, address, str(port), user, log="sitter.log")
    process.wait_output("^sits")
    return process


@pytest.mark.parametrize("listen", ["own", "inherit"])
def test_who_is_in_the_way_is_named_not_who_is_beside(lab, listen):
    """One has the port at another address of the host, and is first; another is bound to the worker's."""
    beside = thief(lab, 8081, HOST4, user="daemon")
    inside = sitter(lab, "127.0.0.1", 8081, "nobody")
    words = "--inherit" if listen == "inherit" else ""
    lbd = lab.lbd(web("8081", words=words, worker=QUICK + "listen %s; " % listen))
    name = "sitter (pid %d, user nobody)" % inside.pid
    wait_until(lambda: name in lbd.workers()["web:8081"]["note"], lbd.workers)
    assert "port 8081 is in use by " + name in lbd.output()
    assert name_of(beside, "daemon") not in lbd.output()
    inside.kill()
    lbd.wait_up(1)


def test_who_is_beside_is_not_accused(lab):
    """The worker fails for a reason of its own."""
    beside = thief(lab, 8081, HOST4, user="daemon")
    command = "sh -c 'echo no setting FOO; exit 1' $port"
    lbd = lab.lbd(
        'pool web { worker { ports 8081; command "%s"; start_retries 1; %s } }'
        "service web { listen 0.0.0.0:80; pool web; }" % (command, QUICK)
    )
    said = "; %s has %s:8081: that hinders only a program that binds port 8081 of every address"
    said %= name_of(beside, "daemon"), HOST4
    wait_until(lambda: said in lbd.workers()["web:8081"]["note"], lbd.workers)
    assert "in use by" not in lbd.output()


def hoard(lab, children, user=65534):
    """A process of a user's, and so many more, until the test ends: to give all that back takes a while."""
    first = lab.process(PYTHON, "-c", HOARD, children, user, log="hoard.log")
    pids = lambda: map(int, re.findall(r"hoards (\d+)", first.output()))
    wait_until(lambda: first.output().count("hoards") == children + 1, first.output)

    def end():
        first.kill()
        wait_until(lambda: not any(alive(pid) for pid in pids()), "those that hoard have ended")

    lab.closers.append(end)


def test_who_holds_many_descriptors(lab):
    """lbd looks for the holder of a port, finds it, and does not wait for all that another user may hold."""
    alone = looked_at_until_named(lab)
    hoard(lab, 60, user=1)  # who comes before nobody
    assert looked_at_until_named(lab) < alone + 100000  # 1.2 million are there to be looked at


def test_who_holds_many_descriptors_beside_a_worker(lab):
    """One process of a user does not hide the listener of a worker of that user from the next lbd."""
    hoard(lab, 3)
    lbd = lab.lbd(web("8081", worker="user nobody;"))
    lbd.wait_up(1)
    pids = lbd.pids()
    lbd.kill()
    shutil.rmtree(lbd.pin())
    again = lbd.restart()
    again.wait_up(1)
    assert again.pids() == pids
    lab.expect_workers({"8081"}, 4)


def looked_at_until_named(lab):
    """Descriptors, in the longest walk."""
    lbd = lab.lbd(web("8081", worker="autostart off; " + QUICK))
    taker = thief(lab, 8081)
    trace = lab.trace(lbd, "openat,read")
    assert name_of(taker) in lbd.refused("worker", "start", "web:8081")
    trace.stop()
    assert lbd.stop() == 0
    taker.kill()
    walks = trace.text().split('openat(AT_FDCWD, "/proc", ')[1:]
    return max(512 * walk.count(", 4096) = 4096") for walk in walks)  # 8 bytes of each


def test_a_check_asks_the_worker_alone(lab):
    """A worker at ::1 alone, and somebody else at the address that the pool names."""
    check = "health { http /; interval 20ms; rise 1; fall 1; }"
    lbd = lab.lbd(web("8081", pool=check, words="--address=::1", listen=BOTH))
    lbd.wait_up(1)
    thief(lab, 8081)
    before = lbd.backend("127.0.0.1:8081")["total"]
    wait_until(lambda: lbd.backend("127.0.0.1:8081")["total"] > before + 5, "checks of the worker")
    lbd.wait_up(1)


@pytest.mark.parametrize("check", ["", "health { http /; interval 20ms; rise 1; fall 1; }"])
def test_a_dead_workers_port(lab, check):
    """It is taken at the moment of the worker's death: told, tried again, served again."""
    lbd = lab.lbd(web("8081-8082", pool=check, worker=QUICK))
    lbd.wait_up(2)
    lurker = thief(lab, 8081, has_it=False)
    load = lab.load(rate=100)
    load.wait_count(20)
    death = kill_and_wait(lbd.pids()["web:8081"])
    lurker.wait_output("^stole it")
    said = name_of(lurker)
    wait_until(lambda: said in lbd.workers()["web:8081"]["note"], lbd.workers)
    assert lbd.workers()["web:8081"]["state"] == "backoff"
    assert lbd.backend("127.0.0.1:8081")["listeners"] == []
    assert "port 8081 is in use by " + said in lbd.output()
    load.wait_count(100)
    lurker.kill()
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 8)
    records = load.stop()
    expect_nothing_stolen(records, death)


def test_it_never_becomes_fatal(lab):
    """However long the port is another's: that is no failure of the worker's."""
    lurker = thief(lab, 8081)
    lbd = lab.lbd(web("8081-8082", worker="start_retries 0; " + QUICK))
    lbd.wait_worker("web:8082", "up")
    for _ in range(3):
        said = lbd.refused("worker", "start", "web:8081")
        assert name_of(lurker) in said
        lbd.wait_worker("web:8081", "backoff")
    assert lbd.workers()["web:8081"]["failures"] == 0
    lurker.kill()
    lbd.wait_up(2)


def test_a_roll_names_it(lab):
    lbd = lab.lbd(web("8081-8082", worker="start_timeout 3s; " + QUICK))
    lbd.wait_up(2)
    pids = lbd.pids()
    lurker = thief(lab, 8081, has_it=False)
    with pytest.raises(Refused) as refused:
        lbd.ctl("roll", "web", "wait")
    assert name_of(lurker) in refused.value.text
    assert lbd.pids()["web:8082"] == pids["web:8082"]
    lab.expect_workers({"8082"}, 4)
    lurker.kill()
    lbd.config(web("8081-8082", worker=QUICK))  # the time that a start may have on a busy machine
    lbd.ctl("reload")
    lbd.wait_up(2)
    lbd.ctl("roll", "web", "wait", timeout=120)
    assert not set(lbd.pids().values()) & set(pids.values())


def test_a_roll_goes_on_when_it_lets_go(lab):
    lbd = lab.lbd(web("8081-8082", worker="start_timeout 60s; " + QUICK))
    lbd.wait_up(2)
    pids = lbd.pids()
    lurker = thief(lab, 8081, has_it=False)
    roll = lab.process(*lbd.ctl_command("roll", "web", "wait"), log="roll.log")
    roll.wait_output("waits: .*" + "thief")
    lurker.kill()
    assert roll.wait() == 0, roll.output()
    assert not set(lbd.pids().values()) & set(pids.values())


def test_while_lbd_is_dead(lab):
    lab.expect_left = False
    lbd = lab.lbd(web("8081-8082", worker=QUICK))
    lbd.wait_up(2)
    pid = lbd.pids()["web:8081"]
    load = lab.load(rate=100)
    load.wait_count(20)
    lbd.kill()
    lurker = thief(lab, 8081, has_it=False)
    death = kill_and_wait(pid)
    lurker.wait_output("^stole it")
    load.wait_count(100)
    again = lbd.restart()
    wait_until(lambda: name_of(lurker) in again.workers()["web:8081"]["note"], again.workers)
    load.wait_count(50)
    lurker.kill()
    again.wait_up(2)
    records = load.stop()
    expect_nothing_stolen(records, death)


def test_a_listener_that_outlives_its_worker(lab):
    """A process that has left the worker's control group keeps the listening socket."""
    script = lab.path / "leaver.py"
    script.write_text(
        """
import os, socket, sys, time
root = [l.split()[1] for l in open("/proc/self/mounts") if l.split()[2] == "cgroup2"][-1]
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    os.setsid()
    open(root + "/cgroup.procs", "w").write("0")
    open("/proc/self/comm", "w").write("leaver")
    s.listen(100)
    open(sys.argv[2], "w").write(str(os.getpid()))
time.sleep(10000)
"""
    )
    told = lab.path / "leaver.pid"
    lbd = lab.lbd(
        "pool web { worker { ports 8081; command '%s %s $port %s'; %s } }"
        "service web { listen 0.0.0.0:80; pool web; }" % (PYTHON, script, told, QUICK)
    )
    lbd.wait_up(1)
    leaver = int(told.read_text())
    kill_and_wait(lbd.pids()["web:8081"])
    try:
        wait_until(lambda: "leaver (pid %d" % leaver in lbd.backend("127.0.0.1:8081")["note"], lbd.pool)
        assert lbd.backend("127.0.0.1:8081")["listeners"] == []
        with pytest.raises(ConnectionRefusedError):
            lab.get()
    finally:
        kill_and_wait(leaver)


def test_a_worker_in_a_group_below(lab):
    """Its control group is its own to divide."""
    script = lab.script(
        "d=$(awk '$3 == \"cgroup2\" {print $2}' /proc/mounts | tail -1)$(sed -n s/^0:://p /proc/self/cgroup)\n"
        "mkdir $d/below && echo 0 > $d/below/cgroup.procs\n"
        "exec %s %s --port=$1\n" % (PYTHON, HERE / "workers" / "app.py")
    )
    lbd = lab.lbd(
        "pool web { worker { ports 8081; command '%s'; } }"
        "service web { listen 0.0.0.0:80; pool web; }" % script
    )
    lbd.wait_up(1)
    group = pathlib.Path("/proc/%d/cgroup" % lbd.pids()["web:8081"]).read_text()
    assert group.rstrip().endswith("/below"), group
    for _ in range(3):
        assert lbd.backend("127.0.0.1:8081")["listeners"] == ["v4"]
        assert lab.get().worker == "8081"


def test_without_groups_of_their_own(lab):
    """Where lbd may not make control groups a worker's session tells."""
    lock = (
        'for m in $(awk \'$3 == "cgroup2" {print $2}\' /proc/mounts); do'
        ' mount -o remount,bind,ro $m; done; exec "$@"'
    )
    lbd = lab.lbd(web("8081-8082", worker=QUICK), wrap=["unshare", "-m", "sh", "-c", lock, "sh"])
    wait_until(lambda: {w["state"] for w in lbd.workers().values()} == {"up"}, lbd.workers)
    assert lbd.json("status")["tracks"] is True
    lab.expect_workers({"8081", "8082"}, 8)
    lurker = thief(lab, 8081, has_it=False)
    kill_and_wait(lbd.pids()["web:8081"])
    lurker.wait_output("^stole it")
    wait_until(lambda: name_of(lurker) in lbd.workers()["web:8081"]["note"], lbd.workers)
    assert lbd.backend("127.0.0.1:8081")["listeners"] == []
    lab.expect_workers({"8082"}, 16)
    lurker.kill()
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 8)


def test_owner(lab):
    lbd = lab.lbd("service web { listen 0.0.0.0:80; pool web; } pool web { }")
    lbd.ctl("pool", "add", "web", "127.0.0.1:8081", "owner", "daemon")
    lurker = thief(lab, 8081)
    said = name_of(lurker) + " listens on it, but only user daemon may"
    wait_equal(lambda: lbd.backend("127.0.0.1:8081")["note"], said)
    assert lbd.backend("127.0.0.1:8081")["owner"] == "daemon"
    shown = lbd.ctl("pool").splitlines()
    assert "OWNER" in shown[0] and " daemon " in shown[2], shown
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    lurker.kill()
    thief(lab, 8081, user="daemon")
    lbd.wait_up(1)
    assert lab.get().status == 200
    lbd.ctl("save")
    assert "backend 127.0.0.1:8081 owner daemon;" in lbd.conf.read_text()


def test_another_owner_by_reload(lab):
    """Who may not any more is let go at once, and found again."""
    text = (
        "service web { listen 0.0.0.0:80; pool web; } pool web { owner %s; backend 127.0.0.1:8081; }"
    )
    thief(lab, 8081)
    lbd = lab.lbd(text % "nobody")
    lbd.wait_up(1)
    for user, state in (("daemon", "down"), ("nobody", "up")):
        lbd.config(text % user)
        lbd.ctl("reload")
        lbd.wait_state("127.0.0.1:8081", state)


def test_unknown_owner_is_refused(lab):
    lbd = lab.lbd()
    said = lbd.refused("pool", "add", "127.0.0.1:8081", "owner", "nosuchuser")
    assert "nosuchuser" in said and "getent passwd" in said


def test_nothing_is_implied(lab):
    """A backend that lbd does not supervise is at its address alone; what is elsewhere is named."""
    lbd = lab.lbd()
    lurker = thief(lab, 8081, "0.0.0.0")
    lbd.ctl("pool", "add", "127.0.0.1:8081")
    wait_until(
        lambda: name_of(lurker) + " listens on 0.0.0.0:8081" in lbd.backend("127.0.0.1:8081")["note"],
        lbd.pool,
    )
    with pytest.raises(ConnectionRefusedError):
        lab.get(host=HOST4)
    lbd.ctl("pool", "remove", "127.0.0.1:8081")
    lbd.ctl("pool", "add", "0.0.0.0:8081")
    lbd.wait_up(1)
    assert lab.get(host=HOST4).status == 200


BY_THREAD = pytest.mark.parametrize("how", ("own-table", "headless"))


@BY_THREAD
def test_a_backend_of_a_thread(lab, how):
    """Who listens by a thread, with a table that is not the first one's, is found all the same: and serves,"""
    thief(lab, 8081, how=[how])
    lbd = lab.lbd("service web { listen 0.0.0.0:80; pool web; } pool web { backend 127.0.0.1:8081; }")
    lbd.wait_up(1)
    assert lab.get(host=HOST4).status == 200


@BY_THREAD
def test_a_stranger_of_a_thread(lab, how):
    """or is named."""
    taker = thief(lab, 8081, how=[how])
    lbd = lab.lbd(web("8081", worker="autostart off; "))
    assert name_of(taker) in lbd.refused("worker", "start", "web:8081")


def test_one_who_tries_again_and_again(lab):
    """A loop of listen and close does not keep lbd busy."""
    lbd = lab.lbd("service web { listen 0.0.0.0:80; pool web; } pool web { backend 127.0.0.1:8081 owner daemon; }")
    loop = lab.process(
        PYTHON,
        "-c",
        "import socket\n"
        "while True:\n"
        "  s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "  try: s.bind(('127.0.0.1', 8081)); s.listen(1)\n"
        "  except OSError: pass\n"
        "  s.close()\n",
    )
    since = time.monotonic()
    looks = lab.trace(lbd, "socket")
    wait_until(lambda: looks.text().count("NETLINK_SOCK_DIAG") >= 10, looks.text)
    assert time.monotonic() - since >= 0.9  # one in 100 ms
    looks.stop()
    assert loop.alive()
    assert lbd.backend("127.0.0.1:8081")["state"] == "down"


KEEPS = """
import os, socket, sys, time
# What it is given by a worker, it answers from then on, as nobody.
box = socket.socket(socket.AF_UNIX)
box.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
box.listen(4)
open("/proc/self/comm", "w").write("keeps")
os.setgid(65534)
os.setuid(65534)
print("waits", flush=True)
peer, _ = box.accept()
_, fds, _, _ = socket.recv_fds(peer, 10, 4)
listener = socket.socket(fileno=fds[0])
print("has it", flush=True)
while True:
    try:
        client, _ = listener.accept()
        client.recv(1000)
        client.send(b"HTTP/1.1 200 OK\\r\\nX-Worker: thief\\r\\nContent-Length: 0\\r\\n\\r\\n")
        client.close()
    except OSError as error:
        print("lost it", error, flush=True)
        time.sleep(1000)
"""
GIVES = """
import os, socket, sys
if not os.path.exists(sys.argv[2] + ".given"):
    box = socket.socket(socket.AF_UNIX)
    box.connect(sys.argv[2])
    socket.send_fds(box, [b"x"], [3])
    open(sys.argv[2] + ".given", "w").close()
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, sys.argv[3], "--port=" + sys.argv[1], "--inherit"])
"""
ENDS = ["restart", "stop", "dies", "while lbd is dead"]


@pytest.mark.parametrize("end", ENDS)
def test_a_listener_that_was_given_away(lab, end):
    """`listen inherit`: passed to a process outside of the worker's group, it ends with the worker."""
    lab.short.chmod(0o755)
    box = lab.short / "box"
    (lab.path / "keeps.py").write_text(KEEPS)
    (lab.path / "gives.py").write_text(GIVES)
    thief = lab.process(PYTHON, lab.path / "keeps.py", box, log="keeps.log")
    thief.wait_output("^waits")
    command = "%s %s $port %s %s" % (PYTHON, lab.path / "gives.py", box, HERE / "workers" / "app.py")
    lbd = lab.lbd(pool(command, "listen inherit;"))
    lbd.wait_up(1)
    thief.wait_output("^has it")
    worker, name = lbd.pids()["web:8081"], "keeps (pid %d, user nobody)" % thief.pid
    if end == "restart":
        lbd.ctl("worker", "restart", "web:8081", "force")
    elif end == "stop":
        lbd.ctl("worker", "stop", "web:8081")
        assert name in lbd.output()
        lbd.ctl("worker", "start", "web:8081")
    elif end == "dies":
        kill_and_wait(worker)
    else:
        lbd.kill()
        kill_and_wait(worker)
        lbd = lbd.restart()
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, worker), lbd.workers)
    lbd.wait_up(1)
    assert name in lbd.output() and "lost it" in thief.output()
    for _ in range(20):
        assert lab.get().worker == "8081"
