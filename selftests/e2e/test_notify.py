# SPDX-License-Identifier: Apache-2.0
"""Readiness and watchdog by notification."""

import signal

import pytest
from lab import PYTHON, alive, wait_until, web


def one(lbd):
    return lbd.workers()["web:8081"]


def test_readiness_by_notification(lab):
    """READY=1 counts, not the listener."""
    go = lab.path / "go"
    lbd = lab.lbd(web("8081", words="--ready-when=%s" % go, worker="ready notify;"))
    wait_until(lambda: "listening" in lbd.log_of("web:8081"))
    assert one(lbd)["state"] == "starting"
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    go.touch()
    lbd.wait_up(1)
    assert lab.get().worker == "8081"


def test_watchdog_restarts_the_hung(lab):
    hang = lab.path / "hang"
    settings = "ready notify; watchdog 1s; stop_timeout 200ms; backoff 20ms 20ms;"
    lbd = lab.lbd(web("8081", words="--hang-when=%s" % hang, worker=settings))
    lbd.wait_up(1)
    pid = one(lbd)["pid"]
    assert lab.get().pid == pid
    hang.touch()
    wait_until(lambda: one(lbd)["pid"] not in (0, pid), lambda: one(lbd))
    lbd.wait_up(1)
    assert not alive(pid)


def test_never_ready_is_given_up(lab):
    settings = "start_timeout 3s; stop_timeout 200ms; start_retries 1; backoff 20ms 20ms;"
    lbd = lab.lbd(web("8081", words="--never-listen", worker=settings))
    lbd.wait_worker("web:8081", "fatal")
    assert "web:8081: not ready within" in lbd.output()
    assert "will not listen" in lbd.output()


# Of another user: passes a connection whose last close(2) lasts for LINGER_S, as its peer is here.
LINGER_S = 600
STRANGER = """
import array, os, signal, socket, struct, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
server = socket.create_server(("127.0.0.1", 0))
fd = socket.create_connection(server.getsockname())
peer = server.accept()[0]
fd.setblocking(False)
try:
    while True: fd.send(bytes(1 << 16))
except BlockingIOError: pass
fd.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, int(sys.argv[3])))
to = socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[2]))
to.connect(sys.argv[1])
rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd.fileno()]))]
try:
    to.sendmsg([b"X=x\\n"], rights)
    fd.close()
    print("sent", flush=True)
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
    lbd.signal(signal.SIGSTOP)
    stranger = lab.process(PYTHON, "-c", STRANGER, path, kind, LINGER_S)
    stranger.wait_output("^(sent|refused)")
    lbd.signal(signal.SIGCONT)
    assert lbd.instance in lbd.ctl("status", timeout=LINGER_S / 4)
    lbd.signal(signal.SIGTERM)
    assert lbd.popen.wait(LINGER_S / 4) == 0
