# SPDX-License-Identifier: Apache-2.0
"""
Sockets that root made and others have, as the standard output of a service to the journal is: they may be given
lbd's names, and prove nothing.
"""

import os
import re

import pytest
from lab import PYTHON, alive, text_of, unique, wait_until, web

# Root makes two, of which nobody has the use, and gives them the names.
BORROWER = """
import array, os, signal, socket, sys
kind, place, *names = sys.argv[1:]
kept = [socket.socketpair() for _ in names]
lent = [p[0] if kind == "connected" else socket.socket(socket.AF_UNIX) for p in kept]
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for held, name in zip(lent, names):
    held.bind("\\0" + name)
queue = socket.socketpair()
if place == "queued":
    fds = array.array("i", [held.fileno() for held in lent])
    queue[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    for held in lent:
        held.close()
print("bound", flush=True)
while True:
    signal.pause()
"""

KINDS = {
    "connected": ("connected", "held"),
    "not connected": ("plain", "held"),
    "in a queue": ("plain", "queued"),
}


def borrow(lab, kind, instance, names=("", "/output/0123")):
    names = ["lbd/%s%s" % (instance, n) for n in names]
    borrower = lab.process(PYTHON, "-c", BORROWER, *KINDS[kind], *names, log="borrower.log")
    borrower.wait_output("bound")
    return borrower


@pytest.mark.parametrize("kind", KINDS)
def test_a_root_made_socket_has_the_names(lab, kind):
    """lbd starts, is handed over, starts after a death, keeps a second away, and harms no stranger."""
    name = unique()
    borrower = borrow(lab, kind, name)
    lbd = lab.lbd(web("8081"), instance=name)
    lbd.wait_up(1)
    pids = lbd.pids()
    who = "a process that cannot be seen" if kind == "in a queue" else "(pid %d)" % borrower.pid
    assert who + ", which is no lbd, holds the abstract Unix address @lbd/" + name in lbd.output()
    second = lbd.restart(ready=False)
    assert second.wait() == 1
    assert "another lbd (pid %d) is running" % lbd.pid in second.output()
    keeper = lbd.keeper()
    lbd.ctl("reexec")
    assert lbd.json("status")["pid"] == lbd.pid and lbd.pids() == pids
    assert not alive(keeper) and lbd.keeper()
    lbd.kill()
    again = lbd.restart()
    again.wait_up(1)
    assert again.pids() == pids
    assert borrower.alive()
    assert again.stop() == 0
    assert borrower.alive()


def test_many_names_hide_no_keeper(lab):
    """That of an lbd which died is found among them, and ended."""
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    names = ["/output/%04d" % n for n in range(40)]
    borrower = borrow(lab, "not connected", lbd.instance, names)
    keeper = lbd.keeper()
    lbd.kill()
    again = lbd.restart()
    again.wait_up(1)
    assert not alive(keeper) and again.keeper()
    assert "%s/output/" % lbd.instance in again.output()
    assert borrower.alive()


# In a mount namespace of its own: one that says it is journald, and ends with lbd (PR_SET_PDEATHSIG), and lbd.
JOURNAL = """
import ctypes, os, signal, socket, subprocess, sys, threading
said, *command = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "none", "/run/systemd"], check=True)
os.mkdir("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX)
journal.bind("/run/systemd/journal/stdout")
journal.listen()
if os.fork():
    os.execvp(command[0], command)
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
def read(stream):
    while part := stream.recv(65536):
        with open(said, "ab") as file:
            file.write(part)
while True:
    threading.Thread(target=read, args=[journal.accept()[0]], daemon=True).start()
"""

BINDER = """
import os, signal, socket, sys
for number in (1, 2):
    try:
        socket.socket(fileno=os.dup(number)).bind("\\0" + sys.argv[1] + str(number))
        print("bound", number, flush=True)
    except OSError as e:
        print("refused", number, e.errno, flush=True)
signal.pause()
"""


def test_a_journal_stream_has_a_name_already(lab):
    """Those that a worker gets cannot be bound to lbd's: EINVAL, unix(7)."""
    os.makedirs("/run/systemd", exist_ok=True)
    said, name, program = lab.path / "said", unique(), lab.path / "binder.py"
    program.write_text(BINDER)
    worker = 'worker { command "%s %s lbd/%s/output/"; ports 8081; %s }'
    settings = "start_timeout 1h; stdout journal; stderr journal;"
    text = "pool web { %s }" % (worker % (PYTHON, program, name, settings))
    wrap = ["unshare", "--mount", PYTHON, "-c", JOURNAL, said]
    lbd = lab.lbd(text, instance=name, wrap=wrap)
    results = lambda: re.findall(r"(?:refused|bound) \d.*", text_of(said))
    wait_until(lambda: len(results()) == 2, lambda: text_of(said) + lbd.output())
    assert results() == ["refused 1 22", "refused 2 22"]
    assert alive(lbd.pids()["web:8081"])
