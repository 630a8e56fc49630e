# SPDX-License-Identifier: Apache-2.0
"""A worker whose children listen on its port, each by a socket of its own (SO_REUSEPORT)."""

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
