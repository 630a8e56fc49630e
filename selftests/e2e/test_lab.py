# SPDX-License-Identifier: Apache-2.0
"""The laboratory itself: what the other tests take for granted."""

import re
import signal

import lab as laboratory
from lab import CLIENT4, CLIENT6, HOST4, HOST6, wait_until, web
from system import TIME_SCALE


def test_worker_sees_the_client(lab):
    lab.app(8081, "--address=0.0.0.0")
    response = lab.get(port=8081)
    assert (response.status, response.worker, response.body) == (200, "8081", CLIENT4 + "\n")


def test_both_families_on_one_socket(lab):
    lab.app(8081, "--dual")
    assert lab.get(host=HOST4, port=8081).body == "::ffff:" + CLIENT4 + "\n"
    assert lab.get(host=HOST6, port=8081).body == CLIENT6 + "\n"


def test_open_loop_counts_every_request(lab):
    lab.app(8081, "--address=0.0.0.0")
    load = lab.load(port=8081, rate=200, seconds=2)
    records = load.finish()
    assert {r.outcome for r in records} == {"ok"}
    starts = sorted(r.start for r in records)  # however late the client itself came
    gaps = {round((b - a) * 200 / TIME_SCALE, 3) for a, b in zip(starts, starts[1:])}
    assert gaps == {1} and len(records) <= 401
    assert {r.worker for r in records} == {"8081"}


def test_open_loop_latency_counts_the_stall(lab):
    lab.app(8081, "--address=0.0.0.0")
    load = lab.load(port=8081, rate=50)
    load.wait_count(10)
    lab.get("/block?s=%s" % (0.5 * TIME_SCALE), port=8081)
    load.wait_count(10)
    stalled = [r for r in load.stop() if r.latency > 0.1]
    assert len(stalled) > 5  # what comes to a worker that blocks waits, whether or not others were answered


def test_load_tells_failures_apart(lab):
    app = lab.app(8081, "--address=0.0.0.0")
    burst = lab.load("burst", port=8082, count=3)
    assert [r.outcome for r in burst.finish()] == ["refused"] * 3
    burst = lab.load("burst", port=8081, count=3, path="/sleep?s=60")
    wait_until(
        lambda: lab.host.run("ss", "-Htn", "state", "established").stdout.count(":8081") >= 3
    )
    app.kill()
    assert {r.outcome for r in burst.finish()} <= {"reset", "closed"}


def test_keepalive_stays_on_its_connection(lab):
    lab.app(8081, "--address=0.0.0.0")
    load = lab.load("keepalive", port=8081, count=2, think=0.01)
    load.wait_count(20)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert not lab.client.run("ss", "-Htn", "state", "established").stdout


def test_burst_of_a_thousand(lab):
    lab.app(8081, "--address=0.0.0.0")
    assert [r.outcome for r in lab.load("burst", port=8081, count=1000).finish()] == ["ok"] * 1000


def test_long_poll(lab):
    lab.app(8081, "--address=0.0.0.0")
    poll = lab.poll(port=8081)
    assert poll.is_open() and poll.worker == "8081"
    lab.get("/release", port=8081)
    assert poll.finish()


def test_nothing_is_left(tmp_path):
    one = laboratory.Lab(tmp_path)
    app = one.app(8081)
    names = laboratory.leftovers()
    assert any(one.host.name in n for n in names)
    assert one.close() == []
    assert not any(one.name in n for n in laboratory.leftovers())
    assert not laboratory.alive(app.pid)


def test_an_lbd_that_does_not_end_is_explained(tmp_path):
    """What it waits for is in what the test reports."""
    one = laboratory.Lab(tmp_path)
    lbd = one.lbd(web("8081", words="--graceful", worker="stop_timeout 1h;"))
    lbd.wait_up(1)
    worker = lbd.pids()["web:8081"]
    load = one.load("burst", count=1, path="/sleep?s=600")
    wait_until(lambda: sum(lbd.active().values()) == 1, lbd.active)
    lbd.signal(signal.SIGTERM)
    lbd.wait_output("stopping: draining first")
    lbd.signal(signal.SIGTERM)
    lbd.wait_output("stopping at once")
    assert lbd.stop(deadline=0.1) == -signal.SIGKILL
    left = lbd.stuck
    one.expect_left = True
    load.kill()
    one.close()
    assert re.search(r"pid %d, parent \d+, state \w, in \w+: .*lbd -n" % lbd.pid, left), left
    assert re.search(r"pid %d, parent %d, state" % (worker, lbd.pid), left), left
    assert re.search(r"web:8081 .*stopping|no answer in", left) and "stopping at once" in left, left
