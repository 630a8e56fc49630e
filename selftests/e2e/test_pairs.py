# SPDX-License-Identifier: Apache-2.0
"""
Any two commands on one pool, the second while the first is under way: each process has one owner, no port
two processes, what is said is so, and in the end all serve by the configuration in force.
"""

import os
import pathlib

import pytest
from lab import BUILD, PYTHON, SMALL, wait_until
from processes import Process

PORTS = (8081, 8082)
OTHER = "pool other { backend 127.0.0.1:9; } service other { listen 0.0.0.0:81; pool other; }"


def config(version="1", name="web", address="127.0.0.1"):
    return OTHER + (
        """
        pool %s {
            scheduler round_robin;
            drain_timeout 500ms;
            worker { command "%s %s --port=$port --version=%s"; ports %d-%d; address %s;
                     stop_timeout 5s; }
        }
        service web { listen 0.0.0.0:80; pool %s; }
        """
        % (name, PYTHON, SMALL, version, PORTS[0], PORTS[-1], address, name)
    )


def follow(lbd, text):
    """Also where clients wait for workers that leave, which is refused unless it is meant."""
    lbd.config(text)
    lbd.ctl("reload", "force")


def on_all(*words):
    """Of each worker, without waiting; it may mean nothing in that state, and then says so."""

    def act(lbd):
        for port in PORTS:
            given = [word.replace("PORT", str(port)) for word in words]
            lbd.lab.keep(Process([BUILD / "lbctl", "-n", lbd.instance, *given], os.devnull))

    return act


COMMANDS = {
    "remove": lambda lbd: follow(lbd, OTHER),
    "add": lambda lbd: follow(lbd, config()),
    "change": lambda lbd: follow(lbd, config("2")),
    "move": lambda lbd: follow(lbd, config(name="moved")),
    "roll": lambda lbd: lbd.ctl("roll", "web", check=False),
    "restart": on_all("worker", "restart", "web:PORT"),
    "stop": on_all("worker", "stop", "web:PORT"),
    "start": on_all("worker", "start", "web:PORT"),
    "drain": on_all("pool", "drain", "web", "127.0.0.1:PORT"),
    "undrain": on_all("pool", "undrain", "web", "127.0.0.1:PORT"),
    "reload": lambda lbd: lbd.ctl("reload"),
    "reexec": lambda lbd: lbd.ctl("reexec"),
}


def words_of(pid):
    try:
        return pathlib.Path("/proc/%d/cmdline" % pid).read_text().split("\0")
    except OSError:
        return []


def running(lab):
    """{pid: port} of the workers that run, whoever owns them."""
    found = {}
    for pid in lab.host.pids():
        words = words_of(pid)
        if SMALL in words:
            found[pid] = int(words[words.index(SMALL) + 1].partition("=")[2])
    return found


def look(lab, lbd):
    """What lbd says beside what is there, both taken while nothing changes."""
    lbd.hear()  # each reexec tells its supervisor, who has to listen
    for _ in range(1000):
        before, there, after = lbd.json("worker"), running(lab), lbd.json("worker")
        said = [(w["name"], w["pid"]) for w in before if w.get("pid")]
        if said == [(w["name"], w["pid"]) for w in after if w.get("pid")]:
            break
    pids = [pid for _, pid in said]
    assert len(pids) == len(set(pids)), said
    assert set(there) <= set(pids), (there, said)
    assert len(set(there.values())) == len(there), there
    for name, pid in said:
        assert there.get(pid, int(name.partition(":")[2])) == int(name.partition(":")[2]), said
    return there


def serves(lab, lbd, version):
    """All are up, with these settings, and each is reached."""

    def all_up():
        look(lab, lbd)
        workers = lbd.json("worker")
        return (
            [w["name"] for w in workers] == ["web:%d" % p for p in PORTS]
            and {w["state"] for w in workers} == {"up"}
            and not any("settings" in w for w in workers)
        )

    wait_until(all_up, lambda: "all up: %r\n%s" % (lbd.json("worker"), lbd.output()[-3000:]))
    for response in lab.expect_workers({str(p) for p in PORTS}, 2):
        assert response.version == version
    assert sorted(look(lab, lbd).values()) == list(PORTS)


def settle(lab, lbd):
    """What was taken out by hand is put back by hand; a configuration says nothing of that."""
    on_all("worker", "start", "web:PORT")(lbd)
    on_all("pool", "undrain", "web", "127.0.0.1:PORT")(lbd)
    wait_until(lambda: not any(p.alive() for p in lab.processes), "all commands end")
    lab.processes.clear()
    follow(lbd, config())


@pytest.mark.parametrize("first", COMMANDS)
def test_pairs(lab, first):
    lbd = lab.lbd(config())
    for second in COMMANDS:
        print(first, second)
        serves(lab, lbd, "1")
        held = [lab.hold() for _ in range(2)]
        COMMANDS[first](lbd)
        look(lab, lbd)
        COMMANDS[second](lbd)
        look(lab, lbd)
        settle(lab, lbd)
        serves(lab, lbd, "1")
        for connection in held:
            connection.close()


def test_a_port_is_held(lab):
    """The pool by another name: its workers wait until those that leave have ended, and say so."""
    lbd = lab.lbd(config().replace("500ms", "1h"))
    serves(lab, lbd, "1")
    before = running(lab)
    held = lab.hold()
    lbd_text = config(name="moved").replace("500ms", "1h")
    follow(lbd, lbd_text)
    name = "moved:" + held.worker
    assert "waits for the end of web:%s (pid " % held.worker in lbd.workers()[name]["note"]
    assert lbd.workers()[name]["state"] == "stopped"
    assert running(lab)[next(p for p in before if str(before[p]) == held.worker)]
    assert held.get().worker == held.worker
    held.close()
    lbd.wait_up(name="moved")
    assert not set(running(lab)) & set(before)
    look(lab, lbd)


def test_a_name_is_held(lab):
    """The pool on another port and back, or at another address: one process of a name at a time."""
    text = config().replace("500ms", "1h")
    lbd = lab.lbd(text)
    serves(lab, lbd, "1")
    held = lab.hold()
    pid = lbd.pids()["web:" + held.worker]
    follow(lbd, text.replace("address 127.0.0.1", "address 127.0.0.2"))
    said = [w for w in lbd.json("worker") if w["name"] == "web:" + held.worker]
    assert [w.get("pid", 0) for w in said] == [0, pid], said
    assert "waits for the end of" in said[0]["note"]
    look(lab, lbd)
    # Back again: it is the same process, which has not noticed.
    follow(lbd, text)
    serves(lab, lbd, "1")
    assert lbd.pids()["web:" + held.worker] == pid
    assert held.get().pid == pid
