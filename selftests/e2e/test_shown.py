# SPDX-License-Identifier: Apache-2.0
"""What lbctl shows of backends and workers is after lbd's death what it was before."""

import re

import pytest
from lab import APP, PYTHON, kill_and_wait, wait_until
from test_inherit import SHUTTER

# Listens, and closes that when it is told to.
CLOSER = """
import signal, socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.signal(signal.SIGUSR1, lambda *_: s.close())
while True: signal.pause()
"""

CONFIG = """
attach eth0;
pool web {
    drain_timeout 1h;
    worker { command "%(app)s"; ports 8081-8089; environment_file %(path)s/$port.env; stable 1ms; }
}
pool rolled { drain_timeout 1h; worker { command "%(app)s"; ports 8091-8093; } }
pool gone { drain_timeout 1h; worker { command "%(app)s"; ports 8094; } }
pool sick {
    all_down refuse;
    health { http /health; interval 1s; timeout 20s; fall 1; }
    worker { command "%(app)s --sick=%(path)s/sick"; ports 8095-8096; }
}
pool slow { worker { command "/bin/sh %(path)s/slow"; ports 8097; stop_timeout 1h; } }
pool never { worker { command "sh -c 'echo never; exit 3'"; ports 8101; restart never; } }
pool fatal { worker { command "sh -c 'echo fatal; exit 4'"; ports 8102; start_retries 1; backoff 1ms 1ms; } }
pool backoff { worker { command "sh -c 'echo backoff; exit 5'"; ports 8103; backoff 1h 1h; } }
pool missing { worker { command "/bin/sh -c true"; before_start "/no/such"; ports 8104; backoff 1h 1h; } }
pool late { worker { command "sleep 1000"; ports 8105; ready notify; start_timeout 1h; } }
pool shut { worker { command "%(python)s %(path)s/shutter.py"; ports 8106; listen inherit; } }
pool closed { worker { command "%(python)s %(path)s/closer.py $port"; ports 8107; start_timeout 1h; } }
pool held { worker { command "%(app)s"; ports 8108; } }
pool off { worker { command "%(app)s"; ports 8109; autostart off; } }
pool others {
    backend 127.0.0.1:8201 weight 3 max_connections 7;
    backend 127.0.0.1:8202 owner nobody;
    backend 127.0.0.1:8203 drain;
    backend 127.0.0.1:8204;
    backend 127.0.0.1:8205;
}
service web { listen 0.0.0.0:80; pool web; }
service rolled { listen 0.0.0.0:81; pool rolled; }
service gone { listen 0.0.0.0:82; pool gone; }
service sick { listen 0.0.0.0:84; pool sick; }
service others { listen 0.0.0.0:83; pool others; }
"""


@pytest.fixture
def held_port(lab):
    lab.host.ip("link", "set", "lo", "up")
    text = "import socket, time; s = socket.create_server(('127.0.0.1', 8108)); print('up', flush=True); time.sleep(1000)"
    lab.process(PYTHON, "-c", text).wait_output("^up")


def start(lab):
    (lab.path / "shutter.py").write_text(SHUTTER)
    (lab.path / "closer.py").write_text(CLOSER)
    for port in range(8081, 8090):
        (lab.path / ("%d.env" % port)).write_text("NAME=before\n")
    (lab.path / "slow").write_text(
        "trap '' TERM; until test -e %s/end; do sleep 0.05; done\n" % lab.path
    )
    lab.closers.append((lab.path / "end").touch)
    words = {"path": lab.path, "python": PYTHON}
    words["app"] = "%s %s --port=$port" % (PYTHON, APP)
    lbd = lab.lbd(CONFIG % words)
    for name in ("web", "rolled", "gone", "sick", "shut", "closed"):
        lbd.wait_up(name=name)
    return lbd


def hold_at(lab, worker, **options):
    """A connection to that worker: those to others are closed again."""
    for connection in (lab.hold(**options) for _ in range(100)):
        if connection.worker == str(worker):
            return connection
        connection.close()
    raise AssertionError("none came to %s" % worker)


def remove_one(lab, lbd):
    """Its pool leaves the configuration, and a connection holds it."""
    hold_at(lab, 8094, port=82)
    lbd.conf.write_text(re.sub(r"(?m)^(pool|service) gone .*\n", "", lbd.conf.read_text()))
    lbd.ctl("reload", "force")


def spoil_files(lab, lbd):
    """Of two workers, one of which is out of service."""
    for port in (8082, 8084):
        (lab.path / ("%d.env" % port)).write_text("NAME=after\n")
    lbd.ctl("reread")


def put_out(lab, lbd):
    """Each in another way; those that are held do not come to an end."""
    for worker, port in ((8083, 80), (8086, 80), (8091, 81), (8096, 84)):
        hold_at(lab, worker, port=port)
    (lab.path / "sick").touch()
    lbd.wait_worker("sick:8096", "down")
    for port in (8083, 8084, 8088):
        lbd.ctl("pool", "drain", "web", "127.0.0.1:%d" % port)
    lbd.ctl("worker", "stop", "web:8085")
    lbd.ctl("worker", "stop", "web:8088")
    lab.process(*lbd.ctl_command("worker", "stop", "web:8086"))
    lab.process(*lbd.ctl_command("worker", "stop", "slow:8097"))
    lab.process(*lbd.ctl_command("worker", "stop", "sick:8096"))
    lbd.ctl("roll", "rolled")
    lbd.ctl("pool", "drain", "others", "127.0.0.1:8205")


def hurt(lbd):
    kill_and_wait(lbd.pids()["web:8087"])
    lbd.ctl("signal", "shut:8106", "USR1")
    lbd.ctl("signal", "closed:8107", "USR1")


STATES = {
    "web:8081": "up",
    "web:8082": "up",
    "web:8083": "draining",
    "web:8084": "drained",
    "web:8085": "stopped",
    "web:8086": "draining",
    "web:8087": "up",
    "web:8088": "stopped",
    "web:8089": "up",
    "rolled:8091": "draining",
    "rolled:8092": "up",
    "rolled:8093": "up",
    "gone:8094": "draining",
    "sick:8095": "down",
    "sick:8096": "draining",
    "slow:8097": "stopping",
    "never:8101": "exited",
    "fatal:8102": "fatal",
    "backoff:8103": "backoff",
    "missing:8104": "backoff",
    "late:8105": "starting",
    "shut:8106": "up",
    "closed:8107": "down",
    "held:8108": "backoff",
    "off:8109": "stopped",
}


def is_in_every_state(lbd):
    workers = lbd.workers()
    return (
        {n: w["state"] for n, w in workers.items()} == STATES
        and workers["web:8087"]["restarts"] == 1
        and workers["shut:8106"].get("relistened") == 1
        # Said of it some time after its start, which may be before this or after.
        and "does not listen" in workers["late:8105"].get("note", "")
    )


def same_note(text):
    """But for how long it is to be waited for."""
    return re.sub(r"again in [0-9.]+ s", "again in N s", text)


def shown(lbd):
    """All of it, but what differs by nature: what time and the process do by themselves."""
    objects = {}
    for worker in lbd.json("worker"):
        for changing in ("uptime_s", "memory", "retry_ms"):
            worker.pop(changing, None)
        objects["worker " + worker["name"]] = worker
    for pool in lbd.json("pool"):
        for backend in pool.pop("backends"):
            if pool["pool"] == "sick":
                backend.pop("total")  # its check's connections
            objects["backend " + backend["address"]] = backend
        objects["pool " + pool["pool"]] = pool
    for service in lbd.json("service"):
        objects["service " + service["service"]] = service
    status = lbd.json("status")
    for of_lbd in ("pid", "uptime_s", "counters"):
        status.pop(of_lbd)
    objects["status"] = status
    for one in objects.values():
        if "note" in one:
            one["note"] = same_note(one["note"])
    return objects


def differences(before, after):
    return {
        name: (before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def remaining(lbd):
    """Milliseconds until it is started again."""
    return {w["name"]: w.get("retry_ms", 0) for w in lbd.json("worker")}


def test_all_is_shown_as_before(lab, held_port):
    lbd = start(lab)
    remove_one(lab, lbd)
    spoil_files(lab, lbd)
    put_out(lab, lbd)
    hurt(lbd)
    wait_until(lambda: is_in_every_state(lbd), lbd.workers)
    states = {w["state"] for w in lbd.json("worker")}
    assert len(states) == 10, states
    before, left = shown(lbd), remaining(lbd)
    assert before["worker web:8082"]["settings"] == "old"
    lbd.kill()
    again = lbd.restart()
    wait_until(
        lambda: not differences(before, shown(again)), lambda: differences(before, shown(again))
    )
    now = remaining(again)
    assert 0 < now["backoff:8103"] <= left["backoff:8103"]
