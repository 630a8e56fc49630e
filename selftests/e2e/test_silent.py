# SPDX-License-Identifier: Apache-2.0
"""Workers that run on without a listener, and addresses that nobody can listen on."""

import socket

import pytest
from lab import PYTHON, alive, pool, wait_until

QUITTER = """
import signal, socket, sys, time
def listen():
    global s
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(sys.argv[1])))
    s.listen(100)
listen()
signal.signal(signal.SIGUSR1, lambda *_: s.close())
signal.signal(signal.SIGUSR2, lambda *_: listen())
while True:
    time.sleep(1000)
"""


CLOSED = "web:8081: nothing listens on it any more, and its process runs on"
BACK = "web:8081: listens again"


def quitter(lab, settings="", start_timeout="4s"):
    script = lab.path / "quitter.py"
    script.write_text(QUITTER)
    return lab.lbd(
        "pool web { worker { ports 8081; command '%s %s $port'; start_timeout %s; %s } }"
        "service web { listen 0.0.0.0:80; pool web; }" % (PYTHON, script, start_timeout, settings)
    )


def test_a_worker_that_closes_its_listener_is_restarted(lab):
    lbd = quitter(lab)
    lbd.wait_up(1)
    for _ in range(2):
        pid = lbd.pids()["web:8081"]
        lbd.ctl("signal", "web:8081", "USR1")
        wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), lbd.workers)
        lbd.wait_up(1)
        assert not alive(pid)
    assert lbd.output().count("has not listened for 4000 ms") == 2
    assert lbd.output().count(CLOSED) == 2 and BACK not in lbd.output()
    assert lbd.workers()["web:8081"]["failures"] == 0


def test_also_one_that_was_taken_back(lab):
    lbd = quitter(lab)
    lbd.wait_up(1)
    pid = lbd.pids()["web:8081"]
    lbd.signal(19)
    lab.process("kill", "-USR1", str(pid)).wait()
    lbd.kill()
    again = lbd.restart()
    wait_until(lambda: again.pids()["web:8081"] not in (0, pid), again.workers)
    again.wait_up(1)


def test_never_restarted_means_never(lab):
    lbd = quitter(lab, "restart never;")
    lbd.wait_up(1)
    pid = lbd.pids()["web:8081"]
    lbd.ctl("signal", "web:8081", "USR1")
    lbd.wait_state("127.0.0.1:8081", "down")
    assert lbd.backend("127.0.0.1:8081")["note"] == "nothing listens on it"
    assert lbd.pids()["web:8081"] == pid
    wait_until(lambda: CLOSED + " (pid %d)" % pid in lbd.output(), lbd.output)


def test_one_that_listens_again(lab):
    """Both are told: nobody else says why it had no clients meanwhile."""
    lbd = quitter(lab, start_timeout="1h")
    lbd.wait_up(1)
    lbd.ctl("signal", "web:8081", "USR1")
    wait_until(lambda: CLOSED in lbd.output(), lbd.output)
    lbd.ctl("signal", "web:8081", "USR2")
    lbd.wait_up(1)
    wait_until(lambda: BACK in lbd.output(), lbd.output)
    assert lbd.workers()["web:8081"]["restarts"] == 0


def test_nobody_waits_for_long_for_one_that_listens_no_more(lab):
    """For a second, since its end may be about to be heard of; then clients are told that nobody is there."""
    lbd = quitter(lab, start_timeout="1h")
    lbd.wait_up(1)
    lbd.ctl("signal", "web:8081", "USR1")
    lbd.wait_state("127.0.0.1:8081", "down")
    wait_until(lambda: lbd.json("status")["nobody_serves"] == ["web"], lambda: lbd.json("status"))
    with pytest.raises(ConnectionRefusedError):
        lab.get()


NONSENSE = ["224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1", "0.1.2.3", "192.0.2.255"]
NONSENSE6 = ["[ff02::1]", "[ff0e::1]", "[fe80::1]", "[2001:db8:99::1]"]


@pytest.mark.parametrize("address", NONSENSE + NONSENSE6)
def test_no_backend_can_be_there(lab, address):
    lbd = lab.lbd()
    said = lbd.refused("pool", "add", address + ":8081")
    assert address in said
    assert lbd.json("pool") == []


MPTCP = """
import socket, sys
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
while True: listener.accept()[0].close()
"""


def test_a_listener_by_mptcp(lab):
    """Cannot be steered to: the reason and the cure are told, in the log once."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError:
        pytest.skip("this kernel has no MPTCP")
    script = lab.path / "mptcp.py"
    script.write_text(MPTCP)
    command = "%s %s $port" % (PYTHON, script)
    lbd = lab.lbd(
        pool(command, "start_timeout 5s; backoff 20ms 20ms; start_retries 1; stop_timeout 1s;")
    )
    lbd.wait_worker("web:8081", "fatal")
    cure = "listens by MPTCP, which the kernel cannot steer to: use GODEBUG=multipathtcp=0"
    assert cure in lbd.workers()["web:8081"]["note"]
    assert lbd.output().count("web:8081: listens by MPTCP") == 1
    assert "does not listen on port" not in lbd.output()
    assert "cannot be taken" not in lbd.output()
