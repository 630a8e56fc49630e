# SPDX-License-Identifier: Apache-2.0
"""Where nobody can be chosen, but somebody is on the way, clients wait; where nobody is, they are refused."""

import pytest
from lab import HOST4, HOST6, PYTHON, kill_and_wait, wait_until, web

TIMEOUT = 100  # seconds: SYNs come again after 1, 2, 4, ...


def late(name, ports, seconds=2.5, pool=""):
    return web(str(ports), name=name, words="--delay-listen=%s" % seconds, pool=pool)


def services(lbd):
    return {service["service"]: service for service in lbd.json("service")}


def moved(lbd, configuration, load, name="web"):
    """Reloaded under load, until some have waited and were served by the new ones."""
    load.wait_count(20)
    lbd.config(configuration)
    assert "clients wait until" in lbd.ctl("reload")
    wait_until(lambda: services(lbd)["web"]["deferred"] > 0, lambda: services(lbd))
    lbd.wait_up(name=name)
    load.wait_count(40)
    records = load.stop()
    assert {r.outcome for r in records} == {"ok"}
    assert services(lbd)["web"]["refused"] == 0
    return {r.worker for r in records}


def test_moved_to_a_new_pool(lab):
    """Blue and green: the old pool is up and stays, but the service is the new one's from now on."""
    blue = late("blue", 8081, 0).replace("service blue", "service web").replace("pool blue; }", "pool POOL; }")
    lbd = lab.lbd(blue.replace("POOL", "blue"))
    lbd.wait_up(1)
    load = lab.load(rate=40, timeout=TIMEOUT)
    green = late("green", 8082).partition("service green")[0].replace("attach eth0;", "")
    assert moved(lbd, green + blue.replace("POOL", "green"), load, "green") == {"8081", "8082"}


def test_all_ports_changed(lab):
    lbd = lab.lbd(late("web", "8081-8082", 0))
    lbd.wait_up(2)
    load = lab.load(rate=40, timeout=TIMEOUT)
    assert moved(lbd, late("web", "8083-8084"), load) >= {"8083", "8084"}


def test_a_checked_backend_replaced(lab):
    text = (
        "attach eth0; pool web { backend 127.0.0.1:%d; health { http /health; interval 1s; rise 9; } }"
        "service web { listen 0.0.0.0:80; pool web; }"
    )
    lab.apps((8081, 8082))
    lbd = lab.lbd(text % 8081)
    lbd.wait_up(1)
    load = lab.load(rate=40, timeout=TIMEOUT)
    assert moved(lbd, text % 8082, load) == {"8081", "8082"}


@pytest.mark.parametrize("listen", ["own", "inherit"])
def test_one_worker_rolled(lab, listen):
    words = "--inherit" if listen == "inherit" else "--delay-listen=1"
    lbd = lab.lbd(web("8081", worker="listen %s;" % listen, words=words))
    lbd.wait_up(1)
    load = lab.load(rate=40, timeout=TIMEOUT)
    load.wait_count(20)
    lbd.ctl("roll", "web", "wait", timeout=120)
    load.wait_count(40)
    records = load.stop()
    assert {r.outcome for r in records} == {"ok"}
    assert len({r.pid for r in records}) == 2
    assert services(lbd)["web"]["refused"] == 0


def test_those_that_fail_are_not_waited_for(lab):
    """While it starts clients wait; when it has not got up they are told so."""
    settings = "start_timeout 10s; start_retries 0; backoff 1h 1h;"
    lbd = lab.lbd(web("8081", words="--never-listen", worker=settings))
    waiting = lab.load("burst", count=3, timeout=TIMEOUT)
    wait_until(lambda: services(lbd)["web"]["deferred"] >= 3, lambda: services(lbd))
    lbd.wait_worker("web:8081", "fatal")
    assert [r.outcome for r in waiting.finish()] == ["refused"] * 3
    assert "none up yet, one on its way, dropped" in lbd.ctl("status")
    assert "DEFERRED" in lbd.ctl("service")


def test_restarted_after_a_death(lab):
    """One that had been well is started again at once, and waited for."""
    lbd = lab.lbd(web("8081", worker="stable 100ms;", words="--delay-listen=1"))
    lbd.wait_up(1)
    wait_until(lambda: lbd.workers()["web:8081"]["uptime_s"] > 2, lbd.workers)
    kill_and_wait(lbd.pids()["web:8081"])
    lbd.wait_worker("web:8081", "starting")
    held = lab.load("burst", count=3, timeout=TIMEOUT)
    assert [r.outcome for r in held.finish()] == ["ok"] * 3


@pytest.mark.parametrize("host, listen", [(HOST4, "0.0.0.0:80"), (HOST6, "[::]:80")])
def test_killed_by_surprise(lab, host, listen):
    """The only one, again and again: who was with it has lost, and whoever comes later waits."""
    settings = "backoff 100ms 100ms; start_retries 99;"
    lbd = lab.lbd(web("8081", words="--dual", worker=settings, listen=(listen,)))
    lbd.wait_up(1)
    load = lab.load(rate=200, timeout=TIMEOUT, host=host)
    load.wait_count(20)
    for _ in range(5):
        pid = lbd.pids()["web:8081"]
        kill_and_wait(pid)
        wait_until(lambda: lbd.pids()["web:8081"] not in (0, pid), "a successor")
        lbd.wait_up(1)
        load.wait_count(20)
    assert {r.outcome for r in load.stop()} <= {"ok", "reset", "closed"}
    assert services(lbd)["web"]["refused"] == 0
    assert services(lbd)["web"]["deferred"] > 0


def test_what_is_told_meanwhile(lab):
    """That nobody serves, and whether clients wait for somebody or are refused."""
    command = lab.script("exec sleep 1000\n")
    lbd = lab.lbd(
        'pool web { worker { command "%s"; ports 8081; } } service web { listen 0.0.0.0:80; pool web; }'
        % command
    )
    status = lbd.json("status")
    assert (status["nobody_serves"], status["clients_wait"]) == ([], ["web"])
    assert "pools       NOBODY SERVES YET: web; clients wait" in lbd.ctl("status")
    assert "NOBODY SERVES YET: clients wait" in lbd.ctl("pool")
    lbd.ctl("worker", "stop", "all")
    status = lbd.json("status")
    assert (status["nobody_serves"], status["clients_wait"]) == (["web"], [])
    assert "NOBODY SERVES: clients are refused" in lbd.ctl("pool")
