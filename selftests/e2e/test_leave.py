# SPDX-License-Identifier: Apache-2.0
"""Who leaves the configuration and has connections open goes on to leave, through lbd's death."""

import os

import pytest
from lab import alive, kill_and_wait, wait_until, web

PORTS = ("8081", "8082")
LAST_WORD = 'after_stop "/bin/echo end";'
OTHER = "pool other { backend 127.0.0.1:9; } service other { listen 0.0.0.0:81; pool other; }"


def config(ports="8081-8082", timeout="1h", **words):
    return web(ports, pool="drain_timeout %s; scheduler round_robin;" % timeout, **words) + OTHER


def follow(lbd, text):
    lbd.config(text)
    lbd.ctl("reload", "force")


REMOVALS = {
    "reload": lambda lbd: follow(lbd, config("8081")),
    "pool": lambda lbd: follow(lbd, "attach eth0;" + OTHER),
}


def hold_of(lab, lbd, worker):
    """Connections, one of this worker's among them; the others are closed."""
    held = {connection.worker: connection for connection in [lab.hold() for _ in PORTS]}
    assert sorted(held) == list(PORTS)
    for other in PORTS:
        if other != worker:
            held[other].close()
    wait_until(lambda: sum(lbd.active("web").values()) == 1, lambda: lbd.active("web"))
    return held[worker]


def leaving(lbd, name="web:8082"):
    return [w for w in lbd.json("worker") if w["name"] == name and "leaves" in w.get("note", "")]


@pytest.mark.parametrize("end", ["kill", "reexec"])
@pytest.mark.parametrize("how", REMOVALS)
def test_goes_on_to_leave(lab, how, end):
    lbd = lab.lbd(config(worker="stop_timeout 3s; " + LAST_WORD))
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    held = hold_of(lab, lbd, "8082")
    REMOVALS[how](lbd)
    for _ in range(2):
        if end == "kill":
            lbd.kill()
            lbd = lbd.restart()
        else:
            lbd.ctl("reexec")
            lbd.hear()
        assert [(w["pid"], w["state"]) for w in leaving(lbd)] == [(pid, "draining")]
    assert held.get().pid == pid
    held.close()
    wait_until(lambda: not alive(pid) and not leaving(lbd), lbd.output)
    records = "/run/lbd/%s/leaving" % lbd.instance
    wait_until(lambda: not os.listdir(records), "nothing leaves")
    assert lbd.log_of("web:8082").endswith("end\n")  # its last word


@pytest.mark.parametrize("end", ["", "kill"])
def test_leaves_as_the_same_change_says(lab, end):
    """drain_timeout, stop_signal and stop_timeout count as they are now: by those of before it stays an hour."""
    lbd = lab.lbd(config(worker="stop_signal WINCH; stop_timeout 1h;"))
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    held = hold_of(lab, lbd, "8082")
    follow(lbd, config("8081", timeout="1s", worker="stop_timeout 50s;"))
    if end:
        lbd.kill()
        lbd = lbd.restart()
    assert held.wait_end() in ("closed", "reset")
    wait_until(lambda: not alive(pid) and not leaving(lbd), lbd.output)


@pytest.mark.parametrize("end", ["kill", "reexec"])
def test_its_output_stays_where_it_was(lab, end):
    """What leaves goes by the configuration of before, `log_directory` too."""
    lbd = lab.lbd(config(worker=LAST_WORD))
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    held = hold_of(lab, lbd, "8082")
    lbd.conf.write_text("log_directory %s;\n%s" % (lab.path / "elsewhere", config("8081", worker=LAST_WORD)))
    lbd.ctl("reload")
    if end == "kill":
        lbd.kill()
        lbd = lbd.restart_as_is()
    else:
        lbd.ctl("reexec")
        lbd.hear()
    held.close()
    wait_until(lambda: not alive(pid) and not leaving(lbd), lbd.output)
    assert lbd.log_of("web:8082").endswith("end\n")
    assert not (lab.path / "elsewhere/web:8082.log").exists()


def ends_at_its_deadline(lbd, held, said="drain deadline: 1 connections are open"):
    """Through a death.  On a busy machine the time may be over before that."""
    lbd.kill()
    again = lbd.restart()
    assert held.wait_end() in ("closed", "reset")
    wait_until(lambda: said in lbd.output() + again.output(), again.output)


def test_verbs_know_who_leaves(lab):
    """What `worker` lists, the other verbs know; but what leaves is not put back to work."""
    lbd = lab.lbd(config(worker=LAST_WORD))
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    held = hold_of(lab, lbd, "8082")
    REMOVALS["reload"](lbd)
    assert int(lbd.ctl("pid", "web:8082")) == pid
    assert [w["pid"] for w in lbd.json("worker", "web:8082")] == [pid]
    assert len(lbd.json("worker", "web:*")) == 2
    lbd.ctl("tail", "web:8082")
    lbd.ctl("signal", "web:8082", "CONT")
    for verb in ("start", "restart"):
        assert "has gone from the configuration" in lbd.refused("worker", verb, "web:8082")
    lbd.ctl("worker", "start", "web:*")
    stop = lab.process(*lbd.ctl_command("worker", "stop", "web:8082"))
    lbd.wait_output("worker stop web:8082, by .*: begun")
    assert held.get().pid == pid
    held.close()
    assert stop.wait() == 0
    assert not alive(pid)
    wait_until(lambda: not leaving(lbd), "it is forgotten, though it was told to stop as well")
    follow(lbd, config(name="moved"))  # has its port
    lbd.wait_up(2, "moved")


def test_two_of_one_name(lab):
    """The one that leaves, by another address, has the process until the other can have it."""
    lbd = lab.lbd(config())
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    held = hold_of(lab, lbd, "8082")
    follow(lbd, config("8081-8082", worker="address 127.0.0.2;", words="--address=127.0.0.2"))
    assert lbd.ctl("worker", "web:8082", check=False).stdout.count("\nweb:8082 ") == 2
    assert int(lbd.ctl("pid", "web:8082")) == pid
    held.close()
    lbd.wait_up(2, "web")
    assert int(lbd.ctl("pid", "web:8082")) not in (0, pid)


def test_has_the_time_that_is_left(lab):
    lbd = lab.lbd(config(timeout="15s"))
    lbd.wait_up(2, "web")
    held = hold_of(lab, lbd, "8082")
    pid = lbd.pids()["web:8082"]
    follow(lbd, config("8081", timeout="15s"))
    ends_at_its_deadline(lbd, held)
    wait_until(lambda: not alive(pid), "it ends")


@pytest.mark.parametrize("when", ["dead", "after"])
def test_comes_back(lab, when):
    """As if lbd had not died: the same process, and what is open is counted in it."""
    lbd = lab.lbd(config())
    lbd.wait_up(2, "web")
    pids = lbd.pids()
    held = hold_of(lab, lbd, "8082")
    REMOVALS["reload"](lbd)
    lbd.kill()
    if when == "dead":
        lbd.config(config())
        lbd = lbd.restart()
    else:
        lbd = lbd.restart()
        follow(lbd, config())
    lbd.wait_up(2, "web")
    assert lbd.pids() == pids
    assert lbd.active("web") == {"8081": 0, "8082": 1}
    lab.expect_workers(set(PORTS), 2)
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8082", "timeout", "1h")
    assert held.get().pid == pids["web:8082"]
    assert lbd.backend("127.0.0.1:8082")["state"] == "draining"
    held.close()
    lbd.wait_state("127.0.0.1:8082", "drained")


def test_comes_back_with_other_settings(lab):
    """It is restarted, once what is open has ended."""
    lbd = lab.lbd(config())
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    held = hold_of(lab, lbd, "8082")
    REMOVALS["reload"](lbd)
    lbd.kill()
    lbd.config(config(worker="environment A=1;"))
    lbd = lbd.restart()
    assert held.get().pid == pid
    held.close()
    wait_until(lambda: lbd.pids()["web:8082"] not in (0, pid), lbd.pids)
    lbd.wait_up(2, "web")


def test_another_waits_for_it(lab):
    """A pool of another name that has its port, and has to know of each lbd for whom it waits."""
    lbd = lab.lbd(config())
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    held = hold_of(lab, lbd, "8082")
    follow(lbd, config(name="moved"))
    for _ in range(2):
        lbd.kill()
        lbd = lbd.restart()
        note = "waits for the end of web:8082 (pid %d)" % pid
        assert note in lbd.workers()["moved:8082"]["note"]
        assert held.get().pid == pid
    held.close()
    lbd.wait_up(2, "moved")
    assert not alive(pid)


@pytest.mark.parametrize("end", ["", "kill"])
def test_drained_while_it_waits(lab, end):
    """Who waits for another's end, and is drained meanwhile, is started all the same, and drained from then on."""
    lbd = lab.lbd(config())
    lbd.wait_up(2, "web")
    held = hold_of(lab, lbd, "8082")
    follow(lbd, config(name="moved"))
    lbd.ctl("pool", "drain", "moved", "127.0.0.1:8082")
    if end:
        lbd.kill()
        lbd = lbd.restart()
    held.close()
    lbd.wait_state("127.0.0.1:8082", "drained")
    lbd.ctl("pool", "undrain", "moved", "127.0.0.1:8082")
    lbd.wait_up(2, "moved")


def test_left_while_lbd_was_away(lab):
    """Nobody saw it go: it leaves as by a reload."""
    lbd = lab.lbd(config())
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    held = hold_of(lab, lbd, "8082")
    lbd.kill()
    lbd.config(config("8081"))
    lbd = lbd.restart()
    assert [w["state"] for w in leaving(lbd)] == ["draining"]
    assert held.get().pid == pid
    held.close()
    wait_until(lambda: not alive(pid), "it ends")


def test_ends_while_lbd_is_away(lab):
    lbd = lab.lbd(config())
    lbd.wait_up(2, "web")
    pid = lbd.pids()["web:8082"]
    hold_of(lab, lbd, "8082")
    REMOVALS["reload"](lbd)
    lbd.kill()
    kill_and_wait(pid)
    lbd = lbd.restart()
    assert list(lbd.workers()) == ["web:8081"]


@pytest.mark.parametrize("how", ["reload", "remove"])
def test_not_its_own(lab, how):
    """One that lbd does not supervise: its connections have what is left of their time."""
    text = "pool web { drain_timeout 15s; %s } service web { listen 0.0.0.0:80; pool web; }"
    lbd = lab.lbd(text % "backend 127.0.0.1:8081; backend 127.0.0.1:8082;")
    lab.apps(map(int, PORTS))
    lbd.wait_up(2)
    held = hold_of(lab, lbd, "8082")
    if how == "reload":
        follow(lbd, text % "backend 127.0.0.1:8081;")
    else:
        lbd.ctl("pool", "remove", "web", "127.0.0.1:8082")
    ends_at_its_deadline(lbd, held, "drain deadline: ended 1 of 1")
