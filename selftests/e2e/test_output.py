# SPDX-License-Identifier: Apache-2.0
"""What workers write: to files, within limits, whatever becomes of them."""

import pathlib

from lab import BUILD, pool, run, text_of, wait_equal, wait_until, web


def test_output_to_the_log(lab):
    command = lab.script("echo out; echo err >&2; echo port $1; exec sleep 1000\n")
    lbd = lab.lbd(pool(command))
    wait_equal(lambda: lbd.log_of("web:8081"), "out\nerr\nport 8081\n")
    assert "port 8081" in lbd.ctl("tail", "web:8081")


def test_output_apart_with_prefix(lab):
    command = lab.script("echo out; echo err >&2; exec sleep 1000\n")
    lbd = lab.lbd(
        pool(
            command,
            "stdout %s/out-$port.log prefix; stderr %s/err-$port.log;" % (lab.path, lab.path),
        )
    )
    out, err = lab.path / "out-8081.log", lab.path / "err-8081.log"
    wait_until(lambda: text_of(err) == "err\n")
    wait_until(lambda: text_of(out).endswith(" out\n"))
    assert out.read_text()[:4].isdigit()
    assert lbd.alive()


def test_log_rotates_by_size_without_loss(lab):
    command = lab.script("seq -f 'line %06.0f of the log' 1 20000\necho end\nexec sleep 1000\n")
    path = lab.path / "out.log"
    lab.lbd(pool(command, "stdout %s size 100k files 9;" % path))
    wait_until(lambda: text_of(path).endswith("end\n"))
    files = sorted(lab.path.glob("out.log*"), key=lambda p: p.stat().st_mtime_ns)
    assert 4 <= len(files) <= 10
    assert all(f.stat().st_size <= 110 << 10 for f in files)
    lines = [l for f in files for l in f.read_text().splitlines() if l.startswith("line")]
    assert sorted(lines) == ["line %06d of the log" % n for n in range(1, 20001)]


def cpu_ticks(pid):
    words = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def test_a_gibibyte_of_output(lab):
    """Does not disturb lbd, which keeps steering meanwhile; the log stays within its limit."""
    path = lab.path / "out.log"
    lbd = lab.lbd(web("8081", words="--write=1024", worker="stdout %s size 10m files 1;" % path))
    lbd.wait_up(1)
    load = lab.load(rate=30)
    wait_until(lambda: text_of(path).endswith("end\n"), "the end", 90)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert sum(f.stat().st_size for f in lab.path.glob("out.log*")) <= 22 << 20
    assert lbd.memory_kib() < 100 << 10


def test_output_closed_by_the_worker(lab):
    """Is no reason to stop it, nor to spin."""
    lbd = lab.lbd(web("8081", words="--close-output"))
    lbd.wait_up(1)
    before = cpu_ticks(lbd.pid)
    lab.load(rate=100, seconds=1).finish()
    assert cpu_ticks(lbd.pid) - before < 40
    assert lab.get().worker == "8081"


def test_full_disk_under_the_log(lab):
    """Goes on serving, and says it once."""
    small = lab.path / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "none", small)
    lab.closers.append(lambda: run("umount", "-l", small))
    words = "--said=%s/said-$port" % lab.path
    lbd = lab.lbd(web("8081", words=words, worker="stdout %s/out.log;" % small))
    lbd.wait_up(1)
    wait_until(lambda: "no space" in lbd.output().lower(), lbd.output)
    assert lab.workers_seen(50) == {"8081": 50}
    assert lbd.output().lower().count("no space") == 1


def test_tail_follows_the_log(lab):
    """Over rotation and clearing, line for line."""
    command = lab.script(
        "n=0; while :; do n=$((n + 1)); printf 'line %06d of the log\\n' $n; sleep 0.01; done\n"
    )
    log = lab.path / "out.log"
    lbd = lab.lbd(pool(command, "stdout %s size 2k files 5;" % log))
    wait_until(lambda: text_of(log))
    tail = lab.process(BUILD / "lbctl", "-n", lbd.instance, "tail", "web:8081", "-f")
    tail.wait_output("^line")
    begin = tail.output().count("\n")
    wait_until((lab.path / "out.log.3").exists)
    wait_until(lambda: tail.output().count("\n") > begin + 100)
    numbers = [int(l.split()[1]) for l in tail.output().splitlines(True) if l.endswith("\n")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    tail.stop()


def test_cleared_log(lab):
    """Emptied in place: its writer goes on."""
    command = lab.script("echo first; trap 'echo second' USR1; while :; do sleep 0.02; done\n")
    lbd = lab.lbd(pool(command))
    wait_equal(lambda: lbd.log_of("web:8081"), "first\n")
    lbd.ctl("clear", "web:8081")
    assert lbd.log_of("web:8081") == ""
    lbd.ctl("signal", "web:8081", "USR1")
    wait_equal(lambda: lbd.log_of("web:8081"), "second\n")
