# SPDX-License-Identifier: Apache-2.0
"""A worker whose children listen on its port, each by a socket of its own (SO_REUSEPORT), or live on without it."""

import re

import pytest
from lab import PYTHON, kill_and_wait, pool, wait_equal, wait_until

FORKS = """
import os, socket, sys

def serve():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    listener.listen()
    print("child", os.getpid(), flush=True)
    os.write(ready, b".")
    head = b"HTTP/1.1 200 OK\\r\\nX-Worker: %d\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n"
    while True:
        client = listener.accept()[0]
        client.recv(4096)
        client.sendall(head % os.getpid())
        client.close()

told, ready = os.pipe()
for _ in range(3):
    if not os.fork():
        serve()
    os.read(told, 1)
print("all", flush=True)
while True:
    os.wait()
"""


def answers(lab):
    try:
        return lab.get().worker
    except ConnectionRefusedError:
        return "nobody: lbd has not looked yet"


def test_the_last_to_listen_serves(lab):
    """As lbd.conf(5) has it: the last alone; when it is gone, the one before."""
    program = lab.path / "forks.py"
    program.write_text(FORKS)
    lbd = lab.lbd(pool("%s %s $port" % (PYTHON, program)))
    lbd.wait_up(1)
    wait_until(lambda: "all" in lbd.log_of("web:8081"), lambda: lbd.log_of("web:8081"))
    children = [l.split()[1] for l in lbd.log_of("web:8081").splitlines() if "child" in l]
    assert len(children) == 3
    while True:
        lab.expect_workers({children[-1]}, 20)
        last = children.pop()
        if not children:
            break
        kill_and_wait(int(last))
        wait_equal(lambda: answers(lab), children[-1])


GOES_TO_BACKGROUND = """
import os, socket, sys, time

def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[2])))
    listener.listen()
    return listener

how = sys.argv[1]
listener = listen() if how == "listens first" else None
told, ready = os.pipe()
if not os.fork():
    os.setsid()
    if how == "listens after":
        listener = listen()
    os.write(ready, b".")
    time.sleep(1000)
os.read(told, 1)
os._exit(3 if how == "fails" else 0)
"""
BACKGROUND = "left pid %s of it running, which is ended: its program goes to the background; keep it"


@pytest.mark.parametrize("how", ["listens first", "listens after", "never listens", "fails"])
def test_a_program_that_goes_to_the_background(lab, how):
    """It is said what it does and what to do; one that fails has another trouble."""
    program = lab.path / "daemon.py"
    program.write_text(GOES_TO_BACKGROUND)
    command = "%s %s '%s' $port" % (PYTHON, program, how)
    lbd = lab.lbd(pool(command, "start_retries 0; stable 1h;"))
    wait_until(lambda: lbd.workers()["web:8081"]["state"] == "fatal", lbd.workers)
    note = lbd.workers()["web:8081"]["note"]
    said = re.search(BACKGROUND % r"\d+" + " in the foreground: gunicorn without --daemon, nginx", note)
    assert bool(said) == (how != "fails"), note
    assert ("left pid" in lbd.output()) == (how != "fails"), lbd.output()


def test_a_program_that_only_ends(lab):
    """Nothing of it runs on."""
    lbd = lab.lbd(pool("true", "start_retries 0;"))
    wait_until(lambda: lbd.workers()["web:8081"]["state"] == "fatal", lbd.workers)
    assert lbd.workers()["web:8081"]["note"].startswith("exited with code 0"), lbd.workers()
    assert "background" not in lbd.output()
