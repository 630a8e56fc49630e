# SPDX-License-Identifier: Apache-2.0
"""As large as it gets: 512 services, 4096 backends, 64 workers."""

import pytest
from lab import HERE, PYTHON, bpftool

SERVICES, BACKENDS, WORKERS = 512, 4096, 64


def configuration(lab):
    """One pool of 64 lbstatic workers; 511 others share 4032 backends by hand."""
    root = lab.path / "www"
    root.mkdir()
    (root / "index.html").write_text("hello\n")
    parts = [
        "attach eth0;",
        "static s0 { listen 0.0.0.0:1000; root %s; ports 10000-%d; }" % (root, 9999 + WORKERS),
    ]
    port = 20000
    for n in range(1, SERVICES):
        count = 7 if n <= 56 else 8  # 56 x 7 + 455 x 8 = 4032
        lines = "".join("backend 127.0.0.1:%d;" % p for p in range(port, port + count))
        port += count
        parts.append(
            "pool s%d { %s } service s%d { listen 0.0.0.0:%d; pool s%d; }"
            % (n, lines, n, 1000 + n, n)
        )
    assert port - 20000 + WORKERS == BACKENDS
    return "\n".join(parts), port - 20000


def test_full_house(lab):
    text, by_hand = configuration(lab)
    many = lab.process(
        PYTHON, HERE / "workers" / "many.py", "--first=20000", "--count=%d" % by_hand
    )
    many.wait_output("^listening")
    lbd = lab.lbd(text)
    lbd.wait_up(BACKENDS)
    status = lbd.json("status")
    assert (status["services"], status["pools"], status["backends"], status["workers"]) == (
        SERVICES,
        SERVICES,
        BACKENDS,
        WORKERS,
    )
    assert {lab.get(port=1000, path="/index.html").body for _ in range(10)} == {"hello\n"}
    seen = [b["total"] for b in lbd.pool("s0").values()]
    assert sum(seen) == 10 and max(seen) <= 5
    first = {}
    for n in (1, 57, 255, 511):
        ports = {a.rpartition(":")[2] for a in lbd.pool("s%d" % n)}
        first[n] = lab.workers_seen(20, port=1000 + n)
        assert set(first[n]) <= ports and len(first[n]) > 2
    print("lbd resident: %d KiB" % lbd.memory_kib())
    # One more is one too many, and is said.
    assert str(BACKENDS) in lbd.refused("pool", "add", "s1", "127.0.0.1:30000")
    assert str(SERVICES) in lbd.refused(
        "service", "add", "more", "tcp", "0.0.0.0:2000", "pool", "s1"
    )


@pytest.mark.parametrize("count", [4, 64, 4096])
def test_pool_of(lab, count):
    """Every backend of a large pool can be chosen; the bench says what a choice costs."""
    many = lab.process(PYTHON, HERE / "workers" / "many.py", "--first=20000", "--count=%d" % count)
    many.wait_output("^listening")
    lines = "".join("backend 127.0.0.1:%d;" % p for p in range(20000, 20000 + count))
    lbd = lab.lbd(
        "attach eth0; pool web { %s } service web { listen 0.0.0.0:80; pool web; }" % lines
    )
    lbd.wait_up(count)
    records = lab.load("burst", count=400).finish()
    assert {r.outcome for r in records} == {"ok"}
    per = {}
    for record in records:
        per[record.worker] = per.get(record.worker, 0) + 1
    assert len(per) >= min(count, 250) and max(per.values()) <= 400 / min(count, 400) * 1.5 + 3, per
    assert sum(b["total"] for b in lbd.pool().values()) == 400


MUCH = {
    "addresses": "".join("listen 10.1.%d.%d:80; " % (i // 250, i % 250) for i in range(4000)),
    "rules": "listen 0.0.0.0:80; "
    + "".join("allow 10.1.%d.%d; " % (i // 200, i % 200) for i in range(8000)),
}


@pytest.mark.parametrize("what", MUCH)
def test_a_small_change_beside_much(lab, what):
    """What has not changed costs little: twenty changes less than five starts beside nothing, not fifty."""
    lbd = lab.lbd()
    start = lbd.cpu_s()
    assert lbd.stop() == 0
    lbd = lab.lbd("pool web { backend 127.0.0.1:9; } service web { %s pool web; }" % MUCH[what])
    before = lbd.cpu_s()
    for port in range(20000, 20020):
        lbd.ctl("pool", "add", "web", "127.0.0.1:%d" % port)
    spent = lbd.cpu_s() - before
    print("a start %.3f s, twenty changes %.3f s" % (start, spent))
    assert spent < 5 * start
    # A change of the services themselves is seen all the same, and goes as far as it says.
    lbd.config("pool web { backend 127.0.0.1:9; } service web { listen 0.0.0.0:81; pool web; }")
    lbd.ctl("reload")
    for name, left in (("services", 1), ("acl", 0)):
        assert len(bpftool("map", "dump", "pinned", lbd.pin("maps", name)) or ()) == left


def test_many_backends_are_taken_over(lab):
    """Each was looked for among all, in the kernel: quadratic, more than a hundred times what the start takes."""
    backends = "".join("backend 127.0.0.1:%d; " % port for port in range(20000, 24000))
    lbd = lab.lbd("pool web { %s } service web { listen 0.0.0.0:80; pool web; }" % backends)
    start = lbd.cpu_s()
    lbd.kill()
    lbd = lbd.restart()
    print("start %.3f s, taken over %.3f s" % (start, lbd.cpu_s()))
    assert lbd.cpu_s() < 10 * start
    assert len(lbd.pool()) == 4000
