# SPDX-License-Identifier: Apache-2.0
"""When a process is started again, stopped and given up."""

import os
import re
import signal

import pytest
from lab import PYTHON, alive, kill_and_wait, pool, text_of, wait_equal, wait_until, web


def one(lbd):
    return lbd.workers()["web:8081"]


POLICIES = [
    # policy, settings, how it ends, what becomes of it
    ("always", "", "exit 0", "fatal"),
    ("always", "", "exit 7", "fatal"),
    ("on_failure", "", "exit 0", "exited"),
    ("on_failure", "", "exit 7", "fatal"),
    ("on_failure", "exit_codes 0 7;", "exit 7", "exited"),
    ("on_failure", "exit_codes 7;", "exit 0", "fatal"),
    ("on_failure", "", "kill -KILL $$", "fatal"),
    ("never", "", "exit 7", "exited"),
    ("never", "", "kill -SEGV $$", "exited"),
]


@pytest.mark.parametrize("policy, settings, end, state", POLICIES)
def test_restart_policy(lab, policy, settings, end, state):
    command = lab.script("echo x >> %s/starts\n%s\n" % (lab.path, end))
    lbd = lab.lbd(
        pool(command, "restart %s; start_retries 2; backoff 20ms 20ms; %s" % (policy, settings))
    )
    lbd.wait_worker("web:8081", state)
    starts = (lab.path / "starts").read_text().count("x")
    assert starts == (1 if state == "exited" else 3)
    assert one(lbd)["pid"] == 0
    lbd.ctl("worker", "start", "web:8081", check=False)
    wait_until(lambda: (lab.path / "starts").read_text().count("x") > starts, "a start by hand")


def test_backoff_is_exponential_and_capped(lab):
    now = "date +%%s%%N >> %s/" % lab.path
    command = lab.script("%sstarts; %sends; exit 1\n" % (now, now))
    lbd = lab.lbd(pool(command, "start_retries 6; backoff 100ms 400ms;"))
    lbd.wait_worker("web:8081", "fatal")
    assert "exit" in one(lbd)["note"]
    delays = [100, 200, 400, 400, 400, 400]
    assert [int(ms) for ms in re.findall("started again in ([0-9]+) ms", lbd.output())] == delays
    starts, ends = ([int(t) / 1e6 for t in (lab.path / name).read_text().split()] for name in ("starts", "ends"))
    assert len(starts) == len(ends) == 7
    gaps = [start - end for end, start in zip(ends, starts[1:])]
    assert all(gap >= 0.95 * delay for gap, delay in zip(gaps, delays)), gaps
    # By hand it starts again, with all its tries.
    lbd.ctl("worker", "start", "web:8081", check=False)
    wait_equal(lambda: (lab.path / "starts").read_text().count("\n"), 14)
    lbd.wait_worker("web:8081", "fatal")


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"])
def test_stop_signal(lab, name):
    traps = "".join(
        "trap 'echo %s > %s/got; exit 0' %s\n" % (s, lab.path, s)
        for s in ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2")
    )
    command = lab.script(traps + "echo y > %s/up\nwhile :; do sleep 0.05; done\n" % lab.path)
    lbd = lab.lbd(pool(command, "stop_signal %s; stop_timeout 20s;" % name))
    wait_until((lab.path / "up").exists)
    lbd.ctl("worker", "stop", "web:8081")
    lbd.wait_worker("web:8081", "stopped")
    got = lab.path / "got"
    assert (got.read_text().strip() if got.exists() else "KILL") == name


def test_stop_deadline_kills_the_whole_group(lab):
    """A worker and its grandchildren that ignore SIGTERM are all gone."""
    command = lab.script(
        "trap '' TERM\n(setsid sh -c \"trap '' TERM; echo \\$\\$ > %s/grandchild; while :; do sleep 9; done\" &)\n"
        "while :; do sleep 9; done\n" % lab.path,
    )
    lbd = lab.lbd(pool(command, "stop_timeout 300ms;"))
    grandchild = lab.path / "grandchild"
    wait_until(lambda: text_of(grandchild).strip())
    pids = [int(grandchild.read_text()), one(lbd)["pid"]]
    assert all(map(alive, pids))
    lbd.ctl("worker", "stop", "web:8081")
    lbd.wait_worker("web:8081", "stopped")
    wait_until(lambda: not any(map(alive, pids)), "the group's end")
    assert set(lab.host.pids()) == {lbd.pid, lbd.keeper()}


def test_crash_leaves_no_grandchildren(lab):
    lbd = lab.lbd(web("8081", words="--forks=3", attach="attach eth0;"))
    lbd.wait_up(1)
    first = set(lab.host.pids()) - {lbd.pid, lbd.keeper()}
    assert len(first) >= 4
    kill_and_wait(lbd.pids()["web:8081"])
    wait_until(lambda: not first & set(lab.host.pids()), "the dead worker's children end")
    lbd.wait_up(1)


def test_autostart_off(lab):
    lbd = lab.lbd(web("8081-8082", worker="autostart off;"))
    assert {w["state"] for w in lbd.workers().values()} == {"stopped"}
    lbd.ctl("worker", "start", "web:*")
    lbd.wait_up(2)


def test_priority_orders_start_and_stop(lab):
    text = ""
    for n, (name, priority) in enumerate((("late", 300), ("early", 100), ("middle", 200))):
        command = lab.script(
            "trap 'echo stop-%s >> %s/order; exit 0' TERM\necho start-%s >> %s/order\nwhile :; do sleep 0.02; done\n"
            % (name, lab.path, name, lab.path),
            name,
        )
        text += (
            pool(command, "priority %d;" % priority)
            .replace("web", name)
            .replace("8081", str(8081 + n))
            .replace(":80;", ":%d;" % (80 + n))
        )
    lbd = lab.lbd(text)
    order = lab.path / "order"
    wait_until(lambda: text_of(order).count("start") == 3)
    assert lbd.stop() == 0
    assert order.read_text().split() == [
        "start-early",
        "start-middle",
        "start-late",
        "stop-late",
        "stop-middle",
        "stop-early",
    ]


def test_worker_verbs(lab):
    lbd = lab.lbd(web("8081-8083"))
    lbd.wait_up(3)
    pids = lbd.pids()
    assert lbd.ctl("pid", "web:8082") == "%d\n" % pids["web:8082"]
    assert lbd.ctl("worker", "web:*", check=False).returncode == 0
    lbd.ctl("worker", "stop", "web:8082")
    lbd.wait_worker("web:8082", "stopped")
    # As LSB init scripts: 3 is "not running".
    assert lbd.ctl("worker", "web:*", check=False).returncode == 3
    assert lbd.ctl("worker", "web:8081", check=False).returncode == 0
    lab.expect_workers({"8081", "8083"}, 9)
    lbd.ctl("worker", "start", "web:8082")
    lbd.wait_up(3)
    lbd.ctl("worker", "restart", "web:8081")
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pids["web:8081"]))
    lbd.wait_up(3)
    assert lbd.pids()["web:8083"] == pids["web:8083"]
    lbd.ctl("worker", "stop", "all")
    for name in pids:
        lbd.wait_worker(name, "stopped")
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    lbd.ctl("worker", "start", "web:*")
    lbd.wait_up(3)
    assert "web:9" in lbd.refused("worker", "stop", "web:9")


def test_signal_verb(lab):
    command = lab.script(
        "trap 'echo usr1 >> %s/got' USR1\necho up > %s/up\nwhile :; do sleep 0.05; done\n"
        % (lab.path, lab.path),
    )
    lbd = lab.lbd(pool(command))
    wait_until((lab.path / "up").exists)
    lbd.ctl("signal", "web:8081", "USR1")
    wait_until(lambda: (lab.path / "got").exists())
    assert "FOO" in lbd.refused("signal", "web:8081", "FOO")


def test_stopped_worker_is_stopped_by_kill(lab):
    """SIGSTOP: its queue keeps clients away, and a stop gets through by its deadline."""
    lbd = lab.lbd(web("8081-8082", pool="drain_timeout 500ms;", worker="stop_timeout 300ms;"))
    lbd.wait_up(2)
    os.kill(lbd.pids()["web:8081"], signal.SIGSTOP)
    lab.load("burst", count=2)
    wait_equal(lambda: lbd.backend("127.0.0.1:8081")["queue"], 1, "queue")
    assert lab.workers_seen(10) == {"8082": 10}
    lbd.ctl("worker", "restart", "web:8081")
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 10)


@pytest.mark.parametrize("pool_settings", ["slow_start 200ms;", "slow_start 1h;", ""])
def test_up_for_too_short_a_time_is_a_failure(lab, pool_settings):
    """However long its weight grows: it has failed unless it was up for `stable`."""
    worker = "stable %s; start_retries 1; backoff 20ms 20ms;"
    listen = "import socket, time; s = socket.create_server((\"127.0.0.1\", 8081)); time.sleep(2)"
    program = lab.script("exec %s -c '%s'\n" % (PYTHON, listen))
    text = pool(program, worker % "1h").replace("pool web {", "pool web { " + pool_settings)
    lbd = lab.lbd(text)
    lbd.wait_worker("web:8081", "fatal")
    assert lbd.workers()["web:8081"]["failures"] == 2
    lbd.config(text.replace("stable 1h", "stable 300ms"))
    lbd.ctl("reload")
    lbd.ctl("worker", "start", "web:8081")
    wait_until(lambda: lbd.workers()["web:8081"]["restarts"] > 2, lbd.workers)
    assert lbd.workers()["web:8081"]["failures"] <= 1


def test_a_note_quotes_its_own_process(lab):
    """Not what one before it wrote to the same log: this one fails without a word."""
    once = lab.path / "once"
    command = lab.script(
        "[ -e %s ] && exit 3; touch %s; echo words of the first; exit 4" % (once, once)
    )
    lbd = lab.lbd(pool(command, "start_retries 1; backoff 10ms 10ms;"))
    lbd.wait_worker("web:8081", "fatal")
    assert "words of the first" in lbd.log_of("web:8081")
    assert "code 4; last output: words of the first" in lbd.output()
    assert lbd.workers()["web:8081"]["note"] == "exited with code 3"
