# SPDX-License-Identifier: Apache-2.0
"""From processes that somebody else supervises to workers, and back: nothing is lost."""

import pytest
from lab import alive, wait_until
from daemon import APP, PYTHON

SERVICE = "service m { listen 0.0.0.0:80; } "
SLOW = "/sleep?s=0.3"


def pool(backends="", workers="", name="m", more=""):
    """workers: their `ports`; they end at once when they are told to, whatever is under way."""
    lines = "".join("backend 127.0.0.1:%s; " % port for port in backends.split())
    if workers:
        lines += 'worker { command "%s %s --port=$port"; ports %s; } ' % (PYTHON, APP, workers)
    return "pool %s { drain_timeout 1h; %s %s }" % (name, more, lines)


def follow(lbd, text):
    lbd.config(text)
    return lbd.ctl("reload")


def pid_of(lbd, name):
    return next(w["pid"] for w in lbd.json("worker") if w["name"] == name and w.get("pid"))


def expect_all(load):
    records = load.stop()
    lost = [r for r in records if r.outcome != "ok"]
    assert not lost and records, (len(lost), len(records), lost[:3])
    return records


def waits(lbd, address="127.0.0.1:8081"):
    backend = lbd.backend(address)
    return backend["state"] == "down" and "waits for the end of m:8081 (pid " in backend["note"]


BACK = {
    "its pool": SERVICE + pool("8081", "8082"),
    "another pool": SERVICE
    + pool("", "8082")
    + pool("8081", name="n")
    + "service n { listen 0.0.0.0:81; }",
}


@pytest.mark.parametrize("to", BACK)
def test_worker_becomes_a_backend(lab, to):
    """Its address is the leaving process's until that has ended: who would get there meanwhile is lost with it."""
    lbd = lab.lbd(SERVICE + pool("", "8081-8082"))
    lbd.wait_up(2)
    pid = pid_of(lbd, "m:8081")
    load = lab.load(path=SLOW, rate=40)
    load.wait_count(20)
    follow(lbd, BACK[to])
    assert waits(lbd), lbd.json("pool")
    wait_until(lambda: not alive(pid), "it ends")
    load.wait_count(20)
    expect_all(load)
    wait_until(lambda: lbd.backend("127.0.0.1:8081")["note"] == "nothing listens on it", lbd.output)
    lab.app(8081)
    lbd.wait_up()
    assert lab.get(port=80 if to == "its pool" else 81).worker in ("8081", "8082")


@pytest.mark.parametrize("end", ["", "kill", "kill and more", "reexec"])
@pytest.mark.parametrize("how", ["verb", "reload"])
def test_backend_waits_for_who_leaves(lab, how, end):
    """What is under way there is counted for who leaves, and nobody new gets there, through lbd's death as well."""
    before = SERVICE + pool("", "8081-8082", more="scheduler round_robin;")
    after = SERVICE + pool("8081", "8082", more="scheduler round_robin;")
    lbd = lab.lbd(before)
    lbd.wait_up(2)
    pid = pid_of(lbd, "m:8081")
    held = [lab.hold(), lab.hold()]
    held.sort(key=lambda connection: connection.worker)
    assert [c.worker for c in held] == ["8081", "8082"]
    if how == "verb":
        follow(lbd, SERVICE + pool("", "8082", more="scheduler round_robin;"))
        added = lbd.ctl("pool", "add", "m", "127.0.0.1:8081")
        assert "added: down, waits for the end of m:8081 (pid %d)" % pid in added
    else:
        follow(lbd, after)
    if end == "reexec":
        lbd.ctl("reexec")
        lbd.hear()
    elif end:
        lbd.kill()
        if end == "kill":
            lbd = lbd.restart_as_is()
        else:  # the backend is new at the start
            lbd.config(after + pool("9", name="other"))
            lbd = lbd.restart()
    assert waits(lbd), lbd.json("pool")
    assert lab.workers_seen(8) == {"8082": 8}
    assert waits(lbd), lbd.json("pool")
    assert lbd.backend("127.0.0.1:8081")["active"] == 0
    assert held[0].get().pid == pid
    held[0].close()
    wait_until(lambda: not alive(pid), "it ends")
    lab.app(8081)
    wait_until(lambda: lbd.backend("127.0.0.1:8081")["state"] == "up", lbd.output)
    lab.expect_workers({"8081", "8082"}, 2)


SHARED = """
import http.server, os, socket, socketserver, sys
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-Worker", sys.argv[1])
        self.send_header("X-Pid", str(os.getpid()))
        self.send_header("Content-Length", "0")
        self.end_headers()
server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening", flush=True)
server.serve_forever()
"""


def test_listens_beside_who_leaves(lab):
    """By SO_REUSEPORT: whose address it is has not changed by that; at the end of who leaves it is the backend."""
    script = lab.path / "shared.py"
    script.write_text(SHARED)
    worker = 'pool m { drain_timeout 1h; worker { command "%s %s $port"; ports %s; } }'
    lbd = lab.lbd(SERVICE + worker % (PYTHON, script, "8081"))
    lbd.wait_up(1)
    pid = pid_of(lbd, "m:8081")
    held = lab.hold()
    follow(lbd, SERVICE + pool("8081", "8082"))
    lbd.wait_worker("m:8082", "up")
    other = lab.process(PYTHON, script, "8081")
    other.wait_output("^listening")
    assert waits(lbd), lbd.json("pool")
    assert lab.workers_seen(4) == {"8082": 4}
    assert waits(lbd) and held.get().pid == pid
    held.close()
    wait_until(lambda: lbd.backend("127.0.0.1:8081")["state"] == "up", lbd.output)
    assert other.pid in {response.pid for response in lab.expect_workers({"8081", "8082"}, 2)}


@pytest.mark.parametrize("when", ["before", "after"])
def test_comes_back_as_a_worker(lab, when):
    """The backend that waited is gone, and the process is what it was."""
    workers = SERVICE + pool("", "8081-8082", more="scheduler round_robin;")
    lbd = lab.lbd(workers)
    lbd.wait_up(2)
    pid = pid_of(lbd, "m:8081")
    held = [lab.hold(), lab.hold()]
    follow(lbd, SERVICE + pool("8081", "8082", more="scheduler round_robin;"))
    assert waits(lbd)
    if when == "after":
        lbd.kill()
        lbd = lbd.restart()
    follow(lbd, workers)
    lbd.wait_up(2)
    assert pid_of(lbd, "m:8081") == pid
    assert lbd.active("m") == {"8081": 1, "8082": 1}
    lab.expect_workers({"8081", "8082"}, 2)
    assert len(held) == 2


def is_up(lbd, *ports):
    return lambda: all(lbd.states("m").get("127.0.0.1:" + port) == "up" for port in ports)


def is_gone(lbd, *names):
    """Those that leave are done, and no connection of theirs is open."""
    return lambda: all(lbd.output().count(name + ": gone") for name in names)


def test_moves_there_and_back(lab):
    """As lbd.conf(5), MOVING, has it, under load: the processes of another supervisor end at once when it ends them."""
    apps = lab.apps([8081, 8082])
    backends = SERVICE + pool("8081 8082")
    lbd = lab.lbd(backends)
    lbd.wait_up(2)
    load = lab.load(path=SLOW, rate=20)
    load.wait_count(10)
    follow(lbd, SERVICE + pool("8081 8082", "9081-9082"))
    wait_until(is_up(lbd, "9081", "9082"), lbd.output)
    lbd.ctl("pool", "remove", "m", "127.0.0.1:8081", "wait")
    apps[0].kill()
    lbd.config(SERVICE + pool("", "9081-9082"))
    lbd.ctl("reload")
    wait_until(is_gone(lbd, "127.0.0.1:8081", "127.0.0.1:8082"), lbd.output)
    apps[1].kill()
    load.wait_count(10)
    apps = lab.apps([8081, 8082])
    follow(lbd, SERVICE + pool("8081 8082", "9081-9082"))
    wait_until(is_up(lbd, "8081", "8082"), lbd.output)
    follow(lbd, backends)
    wait_until(is_gone(lbd, "m:9081", "m:9082"), lbd.output)
    load.wait_count(10)
    records = expect_all(load)
    assert {"8081", "8082", "9081", "9082"} == {record.worker for record in records}


MOVES = {
    "the pool of commands": ("", "default"),
    "a pool that goes": (SERVICE + pool("8081 8082"), "m"),
    "a pool that stays": (SERVICE + pool("8081 8082 8083"), "m"),
}


@pytest.mark.parametrize("end", ["", "kill", "reexec"])
@pytest.mark.parametrize("of", MOVES)
def test_connections_follow_to_another_pool(lab, of, end):
    """A process keeps its address and its clients, whatever its pool is called: who ends it then must wait for them."""
    before, name = MOVES[of]
    lab.apps([8081, 8082, 8083])
    lbd = lab.lbd(before)
    if not before:
        lbd.ctl("pool", "add", "127.0.0.1:8081")
        lbd.ctl("pool", "add", "127.0.0.1:8082")
    lbd.wait_up()
    held = {c.worker: c for c in [lab.hold() for _ in range(len(lbd.pool(name)))]}
    after = "service m { listen 0.0.0.0:80; pool shop; }" + pool("8081 8082", name="shop")
    follow(lbd, after + ("service n { listen 0.0.0.0:81; pool m; }" + pool("8083") if "stays" in of else ""))
    assert lbd.active("shop") == {"8081": 1, "8082": 1}
    if end == "kill":
        lbd.kill()
        lbd = lbd.restart()
    elif end:
        lbd.ctl("reexec")
        lbd.hear()
    assert lbd.states("shop") == {"127.0.0.1:8081": "up", "127.0.0.1:8082": "up"}
    assert lbd.active("shop") == {"8081": 1, "8082": 1}
    removal = lab.process(*lbd.ctl_command("pool", "remove", "shop", "127.0.0.1:8081", "wait"))
    wait_until(lambda: "127.0.0.1:8081" not in lbd.pool("shop"), lbd.output)
    assert lab.workers_seen(4) == {"8082": 4}
    assert held["8081"].get().worker == "8081" and removal.alive()
    held["8081"].close()
    assert removal.wait() == 0 and "none of its connections is open" in removal.output()
    assert held["8082"].get().worker == "8082" and "drain deadline" not in lbd.output()


HELD = {
    "its pool": SERVICE + pool("", "8081-8082"),
    "another pool": "service m { listen 0.0.0.0:80; pool n; }" + pool("", "8081-8082", name="n"),
    "another service": "service other { listen 0.0.0.0:80; pool m; }" + pool("", "8081-8082"),
}


@pytest.mark.parametrize("to", HELD)
def test_ports_are_held_by_what_serves(lab, to):
    """Workers cannot take the place of what has their ports: said beforehand, and refused without force."""
    apps = lab.apps([8081, 8082])
    lbd = lab.lbd(SERVICE + pool("8081 8082"))
    lbd.wait_up(2)
    lbd.config(HELD[to])
    said = "would be refused until one of them is free: the ports of the new workers of pool"
    holder = "8081 by python3 (pid %d, user root)" % apps[0].pid
    answer = lbd.ctl("reread")
    assert "reload would refuse this: clients of service" in answer, answer
    assert said in answer and holder in answer, answer
    refused = lbd.refused("reload")
    assert said in refused and holder in refused and "lbctl reload force" in refused
    assert lbd.states("m") == {"127.0.0.1:8081": "up", "127.0.0.1:8082": "up"}
    assert lab.get().pid in [app.pid for app in apps]
    forced = lbd.ctl("reload", "force", check=False)
    assert forced.returncode == 0 and "NOBODY SERVES" in forced.stderr + forced.stdout, forced
    for app in apps:
        app.kill()
    lbd.wait_up(2)
    assert lab.get().pid not in [app.pid for app in apps]


FINE = {
    "one of them is free": SERVICE + pool("", "8081-8083"),
    "a backend stays": SERVICE + pool("8081", "8082"),
}


@pytest.mark.parametrize("to", FINE)
def test_one_can_serve(lab, to):
    lab.apps([8081, 8082])
    lbd = lab.lbd(SERVICE + pool("8081 8082"))
    lbd.wait_up(2)
    follow(lbd, FINE[to])
    wait_until(is_up(lbd, "8083" if "8083" in FINE[to] else "8081"), lbd.output)
    assert lab.get().worker in ("8081", "8083")


LEAVES = {
    "another name": pool("", "8081-8082", name="n"),
    "ports of both": pool("", "8082-8083", name="n"),
}


@pytest.mark.parametrize("to", LEAVES)
def test_ports_are_held_by_workers_that_leave(lab, to):
    """The pool by another name: nobody is served before a worker has ended, for as long as its clients like."""
    both = SERVICE + pool("", "8081-8082") + pool("", "8083", name="o") + "service o { listen 0.0.0.0:81; }"
    lbd = lab.lbd(both)
    lbd.wait_up()
    lbd.config("service m { listen 0.0.0.0:80; pool n; }" + LEAVES[to])
    port = "8081" if to == "another name" else "8082"
    said = "clients of service m would wait until m:%s has ended, which leaves and may keep its connections" % port
    answer = lbd.ctl("reread")
    assert "reload would refuse this: " + said in answer, answer
    assert "is new, on the ports of pool m: clients wait" in answer, answer
    refused = lbd.refused("reload")
    assert said in refused and "(3600.0 s)" in refused and "lbctl reload force" in refused, refused
    assert lab.get().worker in ("8081", "8082")
    # What it names instead.
    follow(lbd, "service m { listen 0.0.0.0:80; pool n; }" + pool("", "8091-8092", name="n"))
    lbd.wait_up(2, "n")
    assert lab.get().worker in ("8091", "8092")


@pytest.mark.parametrize("address", ("::", "0.0.0.0", "192.0.2.1"))
def test_the_same_ports_at_another_address(lab, address):
    """Each new worker has the name of one that leaves, and waits for its end, whether or not both could listen."""
    lbd = lab.lbd(SERVICE + pool("", "8081-8082"))
    lbd.wait_up(2)
    lbd.config(SERVICE + pool("", "8081-8082").replace("worker {", "worker { address %s;" % address))
    refused = lbd.refused("reload")
    said = "clients of service m would wait until m:8081 has ended, which leaves and may keep its connections"
    assert said in refused and "lbctl reload force" in refused, refused
    assert set(lbd.states("m").values()) == {"up"}


def test_workers_that_leave_are_no_strangers(lab):
    """Who has the ports is lbd's, and is waited for."""
    lbd = lab.lbd(SERVICE + pool("", "8081-8082"))
    lbd.wait_up(2)
    lbd.config("service m { listen 0.0.0.0:80; pool n; }" + pool("", "8081-8082", name="n"))
    lbd.ctl("reload", "force")
    lbd.wait_up(2, "n")
