# SPDX-License-Identifier: Apache-2.0
"""Reload: only what differs is touched, and an error touches nothing."""

import json
import pathlib
import signal

import pytest
from lab import APP, BUILD, PYTHON, alive, kill_and_wait, pool, run, wait_equal, wait_until, web


def one(name, port, listen, words="", worker="", pool=""):
    return web(
        str(port),
        name=name,
        listen=["0.0.0.0:%d" % listen],
        words=words,
        worker=worker,
        pool=pool,
        attach="",
    )


KEPT = "attach eth0;" + one("kept", "8081-8082", 80)


def world(lbd):
    """What must be the same when nothing was changed."""
    pools = lbd.json("pool")
    for pool in pools:
        for backend in pool["backends"]:
            for key in ("total", "active", "queue", "note"):
                backend.pop(key, None)
    return pools, lbd.pids(), [(s["service"], s["pool"], s["listens"]) for s in lbd.json("service")]


def test_add_change_and_remove_one_pool(lab):
    lbd = lab.lbd(KEPT + one("changed", 8091, 81) + one("removed", 8095, 82))
    lbd.wait_up(4)
    pids = lbd.pids()
    held = [lab.hold() for _ in range(4)]
    load = lab.load(rate=80)
    load.wait_count(40)

    lbd.config(KEPT + one("changed", 8091, 81, "--version=2") + one("added", 8099, 83))
    lbd.ctl("reload")
    wait_until(lambda: not alive(pids["removed:8095"]), "the removed pool's worker ends")
    wait_until(
        lambda: set(lbd.workers()) == {"kept:8081", "kept:8082", "changed:8091", "added:8099"}
    )
    lbd.wait_up(4)
    load.wait_count(40)

    assert {r.outcome for r in load.stop()} == {"ok"}
    assert all(c.get().worker == c.worker for c in held)
    now = lbd.pids()
    assert {n: now[n] for n in pids if n.startswith("kept")} == {
        n: p for n, p in pids.items() if n.startswith("kept")
    }
    assert now["changed:8091"] != pids["changed:8091"]
    assert lab.get(port=81).version == "2"
    assert lab.get(port=83).worker == "8099"
    with pytest.raises(ConnectionRefusedError):
        lab.get(port=82)


def test_settings_that_need_no_restart(lab):
    lbd = lab.lbd(one("web", "8081-8082", 80))
    lbd.wait_up(2)
    pids = lbd.pids()
    held = [lab.hold() for _ in range(4)]
    lbd.config(
        one("web", "8081-8082", 80, pool="scheduler round_robin; weight 3; max_connections 9;")
    )
    lbd.ctl("reload")
    wait_equal(lambda: [b["weight"] for b in lbd.pool().values()], [3, 3])
    assert lbd.json("pool")[0]["scheduler"] == "round_robin"
    assert lbd.pids() == pids
    assert all(c.get().worker == c.worker for c in held)


def test_grow_and_shrink(lab):
    lbd = lab.lbd(one("web", "8081-8082", 80))
    lbd.wait_up(2)
    pids = lbd.pids()
    load = lab.load(rate=80)
    lbd.config(one("web", "8081-8084", 80))
    lbd.ctl("reload")
    lbd.wait_up(4)
    assert {n: p for n, p in lbd.pids().items() if n in pids} == pids
    lab.expect_workers({"8081", "8082", "8083", "8084"}, 16)
    lbd.config(one("web", "8081-8082", 80))
    lbd.ctl("reload")
    wait_until(lambda: lbd.pids() == pids, lbd.pids)
    lab.expect_workers({"8081", "8082"}, 16)
    assert {r.outcome for r in load.stop()} == {"ok"}


@pytest.mark.parametrize(
    "text, words",
    [
        ("pool extra { scheduler fastest; }", ("fastest", "least_load")),
        ("service extra { listen 0.0.0.0:81; pool nowhere; }", ("nowhere",)),
        ("pool extra { backend 127.0.0.1:0; }", ("127.0.0.1:0",)),
        ("pool extra {", ("}",)),
        ("service extra { listen 0.0.0.0:80; pool kept; }", ("0.0.0.0:80",)),
        ("pool extra { worker { command true; ports 8082; } }", ("8082",)),
        ("pool extra { worker { command true; ports 9; user nobody9; } }", ("nobody9",)),
        ("pool extra { worker { command true; ports 9; directory /no/dir; } }", ("/no/dir",)),
        ("pool extra { worker { command true; ports 9; environment_file /no/e; } }", ("/no/e",)),
        ("pool extra { worker { command true; ports 9; stdout /no/x.log; } }", ("/no/x.log",)),
        ("pool extra { worker { command true; ports 9; stderr /etc/passwd/x; } }", ("/etc/passwd/x",)),
    ],
    ids=[
        "scheduler",
        "unknown pool",
        "port 0",
        "open block",
        "listen twice",
        "port twice",
        "user",
        "directory",
        "environment file",
        "log",
        "log of errors",
    ],
)
def test_error_changes_nothing(lab, text, words):
    lbd = lab.lbd(KEPT)
    lbd.wait_up(2)
    before = world(lbd)
    held = lab.hold()
    lbd.config(KEPT + "\n\n" + text)
    said = lbd.refused("reload")
    line = lbd.conf.read_text().rstrip("\n").count("\n") + 1
    assert "%s:%d:" % (lbd.conf, line) in said, said
    for word in words:
        assert word in said, said
    assert world(lbd) == before
    assert held.get().worker == held.worker


def test_same_again_is_nothing(lab):
    lbd = lab.lbd(KEPT)
    lbd.wait_up(2)
    before = world(lbd)
    lbd.ctl("reload")
    assert world(lbd) == before


def test_saved_is_what_was_changed(lab):
    lbd = lab.lbd(KEPT)
    lbd.wait_up(2)
    lbd.ctl("pool", "add", "more", "127.0.0.1:9001", "weight", "7")
    lbd.ctl("service", "add", "more", "tcp", "0.0.0.0:81", "pool", "more")
    before = world(lbd)
    lbd.ctl("save")
    lbd.ctl("reload")
    assert world(lbd) == before
    assert lbd.backend("127.0.0.1:9001")["weight"] == 7


def test_settings_of_lbd_itself(lab):
    """Log, pid file and the control socket's rights follow, or all stay as they were."""
    lbd = lab.lbd(KEPT)
    lbd.wait_up(2)
    log, pid_file = lab.path / "own.log", lab.path / "own.pid"
    own = "log %s; pid_file %s; control { mode 0600; } min_files 1024;" % (log, pid_file)
    lbd.config(KEPT + own)
    said = lbd.ctl("reload")
    for word in ("log " + str(log), "pid_file " + str(pid_file), "control", "min_files"):
        assert word in said, said
    assert pid_file.read_text() == "%d\n" % lbd.pid
    socket = pathlib.Path("/run/lbd", lbd.instance, "control")
    assert socket.stat().st_mode & 0o777 == 0o600
    lbd.signal(signal.SIGHUP)
    wait_until(lambda: " info reloaded" in log.read_text(), log.read_text)

    # A secret is not told, right or wrong.
    seed = "hash_seed 00112233445566778899aabbccddeeff;"
    lbd.config(KEPT + own + seed)
    for said in (lbd.ctl("reread"), lbd.ctl("reload"), lbd.ctl("status"), lbd.ctl("-j", "status")):
        assert "001122" not in said, said
    assert "hash_seed" not in lbd.ctl("reread")
    lbd.config(KEPT + own + seed.replace("ff;", "fg;"))
    said = lbd.refused("reload")
    assert "hash_seed" in said and "001122" not in said
    lbd.config(KEPT + own)
    assert "hash_seed removed" in lbd.ctl("reload")
    before = world(lbd)

    # What cannot be had is refused before anything else is touched.
    before = world(lbd)
    lbd.config(KEPT.replace("8081-8082", "8081") + own.replace(str(pid_file), "/nowhere/pid"))
    assert "/nowhere/pid" in lbd.refused("reload")
    assert world(lbd) == before and pid_file.exists()
    lbd.config(KEPT.replace("8081-8082", "8081") + own.replace("0600", "0600; group nobodys"))
    assert "nobodys" in lbd.refused("reload")
    assert world(lbd) == before and pid_file.exists()
    # What fails later takes the settings back.
    lab.app(8095)
    lbd.config(KEPT + one("more", 8096, 8095) + "service s { listen 127.0.0.1:8095; pool more; }")
    assert "8095" in lbd.refused("reload")
    assert world(lbd) == before and pid_file.exists() and socket.stat().st_mode & 0o777 == 0o600

    lbd.config(KEPT)
    lbd.ctl("reload")
    assert not pid_file.exists() and socket.stat().st_mode & 0o777 == 0o660
    lbd.signal(signal.SIGHUP)
    lbd.wait_output("^reloaded")
    assert world(lbd) == before


def gated(lab, version):
    """A command that ends at once as long as `good` is not there, once it is version 2."""
    return lab.script(
        "[ %s = 1 ] || [ -e %s/good ] || exit 1\nexec %s %s --version=%s --port=$1\n"
        % (version, lab.path, PYTHON, APP, version),
        "serve%s" % version,
    )


def old_ones(lbd):
    return {n for n, w in lbd.workers().items() if w.get("settings") == "old"}


def test_half_a_roll_is_finished_by_the_next_reload(lab):
    """What each process runs with is known, whatever came between: a failure, lbd's death, its return."""
    settings = "start_retries 1; backoff 20ms 20ms;"
    one_pool = lambda version: "attach eth0;" + pool(gated(lab, version), settings, "8081-8083")
    lbd = lab.lbd(one_pool(1))
    lbd.wait_up(3)
    assert old_ones(lbd) == set() and "OLD" not in lbd.ctl("status")
    lbd.config(one_pool(2))
    lbd.ctl("reload")
    lbd.wait_worker("web:8081", "fatal")
    half = {"web:8082", "web:8083"}
    assert old_ones(lbd) == half and "OLD: web:8082, web:8083" in lbd.ctl("status")
    pids = lbd.pids()

    lbd.kill()
    lbd = lbd.restart()
    wait_equal(lambda: old_ones(lbd), half, "old")
    assert lbd.pids() == pids
    lbd.ctl("reexec", check=False)
    wait_until(lambda: lbd.ctl("status", check=False).returncode == 0)
    assert old_ones(lbd) == half and lbd.pids() == pids

    (lab.path / "good").touch()
    lbd.ctl("worker", "start", "web:8081")
    said = lbd.ctl("reread")
    assert "web:8082" in said and "web:8083" in said and "web:8081" not in said
    assert "web:8083 runs with old settings" in lbd.ctl("reload")
    wait_until(lambda: old_ones(lbd) == set(), lbd.workers)
    lbd.wait_up(3)
    assert lbd.ctl("reload") == "no difference\n"
    assert {lab.get().version for _ in range(12)} == {"2"}


def test_file_changed_while_lbd_was_away(lab):
    lbd = lab.lbd(one("web", "8081-8082", 80))
    lbd.wait_up(2)
    pids = lbd.pids()
    lbd.kill()
    lbd.config(one("web", "8081-8082", 80, "--version=2"))
    again = lbd.restart()
    wait_until(lambda: not set(again.pids().values()) & (set(pids.values()) | {0}), again.pids)
    again.wait_up(2)
    assert {lab.get().version for _ in range(8)} == {"2"}


def test_environment_file_has_changed(lab):
    """Its variables count, and not its bytes; one that cannot be read ends nobody."""
    env = lab.path / "env"
    env.write_text("WORD=secret\nOTHER=1\n")
    lbd = lab.lbd(one("web", "8081-8082", 80, worker="environment_file %s;" % env))
    lbd.wait_up(2)
    pids = lbd.pids()
    env.write_text("# why\nexport WORD='secret'\n\nOTHER=1\n")
    assert lbd.ctl("reread") == "no difference\n"

    env.write_text("WORD=secret2\nOTHER=1\n")
    for _ in range(2):  # also for the lbd that comes after
        said = lbd.ctl("reread")
        for port in ("8081", "8082"):
            assert "web:%s: environment_file %s has changed: it is rolled\n" % (port, env) in said
        assert "secret" not in said
        assert lbd.pids() == pids and old_ones(lbd) == set(pids)
        lbd.kill()
        lbd = lbd.restart()

    env.write_text("WORD=secret2\nno secret\n")
    result = lbd.ctl("reload", check=False)
    assert (result.returncode, result.stdout) == (0, "no difference\n")
    assert "%s:2: not NAME=value; " % env in result.stderr
    assert "; its workers run on" in result.stderr
    assert "secret" not in result.stderr and lbd.pids() == pids

    env.write_text("WORD=secret2\nOTHER=1\n")
    assert "web:8082: environment_file %s has changed" % env in lbd.ctl("reload")
    wait_until(lambda: not set(lbd.pids().values()) & {0, *pids.values()}, lbd.pids)
    lbd.wait_up(2)
    answers = lab.expect_workers({"8081", "8082"}, 2, path="/environment")
    assert {json.loads(a.body)["environment"]["WORD"] for a in answers} == {"secret2"}
    assert lbd.ctl("reload") == "no difference\n" and old_ones(lbd) == set()


def test_every_change_is_told(lab):
    lbd = lab.lbd(one("web", "8081", 80))
    lbd.wait_up(1)
    pids = lbd.pids()
    changes = [
        ("pool", "drain_timeout 7s;", "drain_timeout 7000ms, was 30000ms"),
        ("pool", "slow_start 1s;", "slow_start 1000ms, was 0ms"),
        ("pool", "roll_parallel 3;", "roll_parallel 3, was 1"),
        ("pool", "health { tcp; }", "health changed"),
        ("worker", "stop_timeout 3s;", "need no new process"),
        ("worker", "recycle memory 1g;", "need no new process"),
    ]
    for where, text, told in changes:
        lbd.config(one("web", "8081", 80, **{where: text}))
        assert told in lbd.ctl("reread"), text
        assert told in lbd.ctl("reload"), text
        assert "pool web" not in lbd.ctl("reread")
    lbd.wait_up(1)
    assert lbd.pids() == pids
    lbd.config(one("web", "8081", 80, worker="environment A=b;"))
    assert "workers are rolled" in lbd.ctl("reload")
    wait_until(lambda: lbd.pids()["web:8081"] not in (0, pids["web:8081"]), lbd.pids)


def test_all_at_once_wants_force(lab):
    """An empty file, or one that includes nothing, is most likely none that somebody has written."""
    lbd = lab.lbd(KEPT)
    lbd.wait_up(2)
    before = world(lbd)
    for text in ("", "include *.nothing;", KEPT.replace("service kept", "#")):
        lbd.config(text)
        assert "`lbctl reload force`" in lbd.refused("reload")
        assert world(lbd) == before
    lbd.signal(signal.SIGHUP)
    lbd.wait_output("^not reloaded: .*force")
    assert world(lbd) == before
    lbd.config("")
    assert "pool kept removed" in lbd.ctl("reload", "force")
    wait_equal(lambda: lbd.json("worker"), [])
    lbd.ctl("reload")
    assert lbd.json("pool") == []
    # The first start has nothing to lose.
    assert lab.lbd("").json("pool") == []


def test_an_include_that_lost_its_file(lab):
    """Its pools went without a word, as long as one service was left elsewhere."""
    parts = lab.path / "c.d"
    parts.mkdir()
    (parts / "b.conf").write_text(one("b", 8091, 81))
    inside = "backend 127.0.0.1:9001; include %s/*.backends; " % parts
    (parts / "b.backends").write_text("backend 127.0.0.1:9002;")
    rules = "listen 0.0.0.0:83; pool mixed; include %s/*.rules; allow all; " % parts
    (parts / "b.rules").write_text("deny 10.0.0.0/8;")
    more = "\ninclude c.d/*.conf; pool mixed { %s } service mixed { %s }" % (inside, rules)
    lbd = lab.lbd(KEPT + more)
    for name in ("kept", "b"):
        lbd.wait_up(None, name)
    before = world(lbd)
    line = lbd.conf.read_text().rstrip("\n").count("\n") + 1
    losses = {
        "*.conf": ("b.conf", "`pool b`"),
        "*.backends": ("b.backends", "`backend 127.0.0.1:9002` of pool mixed"),
        "*.rules": ("b.rules", "`deny 10.0.0.0/8` of service mixed"),
    }
    for pattern, (name, lost) in losses.items():
        (parts / name).rename(lab.path / name)
        said = lbd.refused("reload")
        for words in (pattern + " (%s:%d)" % (lbd.conf, line), "remove " + lost, "reload force`"):
            assert words in said, said
        warning = "%s (%s:%d): matches no file" % (pattern, lbd.conf, line)
        for program in ([BUILD / "lbctl", "check"], [BUILD / "lbd", "-t", "-c"]):
            assert warning in run(*program, lbd.conf).stderr
        reread = lbd.ctl("reread", check=False)
        assert reread.returncode == 0 and warning in reread.stderr, reread
        assert "reload would refuse this: include" in reread.stdout
        assert world(lbd) == before
        (lab.path / name).rename(parts / name)
    assert "no difference" in lbd.ctl("reload")
    for name, _ in losses.values():
        (parts / name).unlink()
    forced = lbd.ctl("reload", "force", check=False)
    assert forced.returncode == 0 and "c.d/*.conf (" in forced.stderr, forced
    assert {s["service"] for s in lbd.json("service")} == {"kept", "mixed"}
    # Nothing is taken away any more, and that the pattern matches nothing is still said.
    lbd.config(KEPT.replace("8081-8082", "8081") + more)
    assert "matches no file" in lbd.ctl("reload", check=False).stderr
    wait_equal(lambda: list(lbd.workers()), ["kept:8081"])
    lab.lbd("include c.d/*.conf;").wait_output("c.d/\\*.conf .*matches no file")


@pytest.mark.parametrize("died", (False, True))
def test_an_include_that_never_had_a_file(lab, died):
    """Holds nothing back, wherever it stands: also where its file ends, and another one's words follow."""
    parts = {
        "a1.conf": "pool a1 { backend 127.0.0.1:9001; }\ninclude opt*.conf;\n",
        "a2.conf": "pool a2 { backend 127.0.0.1:9002; }\n",
        "inner.part": "backend 127.0.0.1:9003;\ninclude opt*.part;\n",
        "z.conf": "pool z { backend 127.0.0.1:9009; }\n",
    }
    for name, text in parts.items():
        (lab.path / name).write_text(text)
    lines = ["include a*.conf;", "pool p { include inner.part; include z.part; }", "include z.conf;"]
    (lab.path / "z.part").write_text("backend 127.0.0.1:9004;\n")
    lbd = lab.lbd("\n".join(lines))
    if died:
        kill_and_wait(lbd.pid)
        lbd = lbd.restart_as_is()
    lbd.config("\n".join([lines[0], lines[1].replace(" include z.part;", "")]))
    assert "pool z removed" in lbd.ctl("reload")
    assert {p["pool"] for p in lbd.json("pool")} == {"a1", "a2", "p"}


LOST_SECRET = "token-of-nobody-else"
# What a file said alone, and how a reload names it that would lose it.
LOST_WORDS = {
    "user": ("user nobody; no_new_privileges on;", "`user nobody` of worker of pool web"),
    "env": ("environment KEY=%s;" % LOST_SECRET, "`environment` of worker of pool web"),
    "health": ("health { tcp; interval 1s; }", "`health` of pool web"),
    "interval": ("interval 2s;", "`interval` of health of pool api"),
    "acl": ("deny 192.0.2.3;", "`deny 192.0.2.3` of service web"),
    "bcl": ("deny 192.0.2.5;", "`deny 192.0.2.5` of service web"),
    "auth": ("deny 192.0.2.0/24 /secret*;", "`deny 192.0.2.0/24 /secret*` of static files"),
    "rule": ("deny 192.0.2.4;", "`deny 192.0.2.4` of static files"),
    "control": ("group www-data;", "`group www-data` of control"),
    "top": ("min_files 16;", "`min_files`"),
}


def with_parts(lab):
    """A configuration of many files, one in each kind of block."""
    parts = lab.path / "c.d"
    parts.mkdir()
    for name, (text, _) in LOST_WORDS.items():
        (parts / ("x." + name)).write_text(text)
    include = {name: "include c.d/*.%s;" % name for name in LOST_WORDS}
    return parts, (
        pool("sleep 1000 $port", "%(user)s %(env)s listen inherit;" % include)
        .replace("pool web {", "pool web { %(health)s" % include, 1)
        .replace("service web {", "service web { %(acl)s %(bcl)s" % include)
        + "pool api { backend 127.0.0.1:9009; health { tcp; %(interval)s } }"
        "static files { listen 0.0.0.0:81; root /usr/share; user nobody; ports 9631; %(auth)s %(rule)s }"
        "control { %(control)s } %(top)s" % include
    )


def test_an_include_that_lost_its_file_anywhere(lab):
    """Workers were rolled as root, and what was denied was served, since nothing but pools and services was compared."""
    parts, text = with_parts(lab)
    lbd = lab.lbd(text)
    for name in ("web", "files"):
        lbd.wait_up(1, name)
    before = world(lbd)
    for name, (said, named) in LOST_WORDS.items():
        (parts / ("x." + name)).rename(lab.path / name)
        refusal = lbd.refused("reload")
        assert "c.d/*.%s (" % name in refusal and "remove %s, which " % named in refusal, refusal
        assert "`lbctl reload force`" in refusal and LOST_SECRET not in refusal, refusal
        assert refusal.partition(": ")[2].strip() in lbd.ctl("reread", check=False).stdout
        # Whoever says it now, it is said there.
        if name == "user":
            lbd.config(text.replace("include c.d/*.user;", "include c.d/*.user; " + said))
            assert "no difference" in lbd.ctl("reload")
            (parts / "x.user").write_text(said)
            lbd.config(text)
            assert "no difference" in lbd.ctl("reload")
        else:
            (lab.path / name).rename(parts / ("x." + name))
    # As many rules as before are not the same ones.
    (parts / "x.acl").rename(lab.path / "acl")
    (parts / "x.bcl").write_text("deny 192.0.2.5; deny 192.0.2.6;")
    assert LOST_WORDS["acl"][1] in lbd.refused("reload")
    assert world(lbd) == before and LOST_SECRET not in lbd.output()
    lbd.ctl("reload", "force")


def test_an_include_that_lost_its_file_while_lbd_was_dead(lab):
    """The next lbd does not do by itself what a reload refuses: it goes on with what was, and says so."""
    parts, text = with_parts(lab)
    lbd = lab.lbd(text)
    for name in ("web", "files"):
        lbd.wait_up(1, name)
    before = lbd.pids()
    lbd.kill()
    for name in ("user", "auth"):
        (parts / ("x." + name)).rename(lab.path / name)
    lbd = lbd.restart_as_is()
    lbd.wait_output("is not in force: .*remove `user nobody` of worker of pool web")
    assert "`lbctl reload force`" in lbd.output()
    assert lbd.pids() == before
    for name in ("user", "auth"):
        (lab.path / name).rename(parts / ("x." + name))
    assert "no difference" in lbd.ctl("reload")
    assert lbd.pids() == before


def test_an_include_that_never_matched(lab):
    """It holds back neither a file that is taken away nor what an edit takes out."""
    parts = lab.path / "c.d"
    parts.mkdir()
    for name in "ab":
        (parts / (name + ".conf")).write_text("pool %s { backend 127.0.0.1:9001; }" % name)
    (parts / "a.conf").write_text("pool a { backend 127.0.0.1:9002; include none-*.conf; }")
    lbd = lab.lbd("include none-*.conf; include c.d/*.conf; pool c { backend 127.0.0.1:9003; }")
    (parts / "b.conf").unlink()
    for _ in range(2):  # also of a configuration that the next lbd had from its run directory
        result = lbd.ctl("reload", check=False)
        assert result.returncode == 0 and "pool b removed" in result.stdout, result
        (parts / "b.conf").write_text("pool b { backend 127.0.0.1:9001; }")
        lbd.ctl("reload", check=False)
        lbd.kill()
        lbd = lbd.restart_as_is()
        (parts / "b.conf").unlink()
    lbd.config("include none-*.conf; include c.d/*.conf;")
    assert lbd.ctl("reload", check=False).returncode == 0
    assert [p["pool"] for p in lbd.json("pool")] == ["a"]


def test_reread_tells_what_reload_refuses(lab):
    """By the same words; both change nothing."""
    lbd = lab.lbd(KEPT)
    lbd.wait_up(2)
    before = world(lbd)
    lab.app(85)
    for text, why in {
        "pool far { backend 192.0.2.77:80; }": "not an address of this host alone",
        "pool near { backend 127.0.0.1:9; } service near { listen 0.0.0.0:85; pool near; }": "is in use by",
        pool("/nowhere/serve", "", "8099").replace("0.0.0.0:80", "0.0.0.0:90"): "/nowhere/serve",
        "pid_file /not/there/lbd.pid;": "/not/there",
    }.items():
        lbd.config(KEPT + text)
        (line,) = [l for l in lbd.ctl("reread").splitlines() if "reload would refuse this: " in l]
        assert why in line, line
        assert line.partition(": ")[2] in lbd.refused("reload")
        assert world(lbd) == before


def test_a_command_that_is_not_there(lab):
    """Found by `check` and by the reload that would start it, in the worker's PATH and directory."""
    lbd = lab.lbd(KEPT)
    lbd.wait_up(2)
    before = world(lbd)
    (lab.path / "plain").write_text("not executable")
    for command, settings in (
        ("nowhere-to-be-found", ""),
        ("/nowhere/serve", ""),
        ("./serve", "directory /;"),
        ("sh -c true", "environment PATH=/nowhere;"),
        (str(lab.path / "plain"), ""),
        (str(lab.path), ""),
        ("sleep 1000", 'before_start "nowhere-to-be-found";'),
    ):
        lbd.config(KEPT + pool(command, settings, "8099").replace("0.0.0.0:80", "0.0.0.0:90"))
        word = "nowhere-to-be-found" if "before" in settings else command.split()[0]
        assert word in lbd.refused("reload"), command
        assert world(lbd) == before
        checked = run(BUILD / "lbctl", "check", lbd.conf, check=False)
        assert checked.returncode == 1 and word in checked.stderr, command
    lbd.config(KEPT + pool("sh -c 'sleep 1000'", "", "8099").replace("0.0.0.0:80", "0.0.0.0:90"))
    run(BUILD / "lbctl", "check", lbd.conf)
    lbd.ctl("reload")


def test_other_ports_alone_are_warned_of(lab):
    """Until one of the new workers is up clients wait: reload says so, and how it goes without that."""
    lbd = lab.lbd(one("web", "8081-8082", 80))
    lbd.wait_up(2)
    lbd.config(one("web", "8083-8084", 80))
    assert "none of its backends stays: clients wait until a new one is up" in lbd.ctl("reread")
    lbd.config(one("web", "8081-8084", 80))
    assert "none of its backends stays" not in lbd.ctl("reload")
    lbd.wait_up(4)
    load = lab.load(rate=80)
    load.wait_count(20)
    lbd.config(one("web", "8083-8084", 80))
    assert "none of its backends stays" not in lbd.ctl("reload")
    wait_until(lambda: set(lbd.workers()) == {"web:8083", "web:8084"}, lbd.workers)
    load.wait_count(20)
    assert {r.outcome for r in load.stop()} == {"ok"}


def test_another_port_and_other_settings_at_once(lab):
    """The only one that is up waits for the new one; nothing is told to have failed, or told twice."""
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    pid = lbd.pids()["web:8081"]
    lbd.config(web("8081-8082", worker="environment A=1;"))
    result = lbd.ctl("reload", check=False)
    assert result.returncode == 0 and "roll ended" not in result.stderr + result.stdout
    wait_until(lambda: "rolled 1 workers" in lbd.output(), lbd.output)
    assert lbd.pids()["web:8081"] not in (0, pid)
    assert "roll ended" not in lbd.output()
    assert lbd.output().count("run with old settings: rolling") == 1


def versioned(lab, version, settings="", ports="8081-8083"):
    """Workers that load until lab.path/go-VERSION is there; `bad` ones exit."""
    script = lab.script(
        "[ $VERSION = bad ] && exit 1\nuntil [ -e %s/go-$VERSION ]; do sleep 0.05; done\n"
        "exec %s %s --port=$1 --version=$VERSION\n" % (lab.path, PYTHON, APP)
    )
    text = "environment VERSION=%s; " % version if version else ""
    return "attach eth0;" + pool(script, text + settings, ports)


def begin_roll(lab, lbd):
    lbd.config(versioned(lab, "1"))
    lbd.ctl("reload")


def begin_restart(lab, lbd):
    (lab.path / "go-0").unlink()
    lab.process(*lbd.ctl_command("worker", "restart", "web:8082"))


def begin_start(lab, lbd):
    lbd.ctl("worker", "stop", "web:8082")
    (lab.path / "go-0").unlink()
    lab.process(*lbd.ctl_command("worker", "start", "web:8082"))


def begin_recycling(lab, lbd):
    (lab.path / "go-0").unlink()
    lbd.config(versioned(lab, "0", "recycle age 1s;"))
    lbd.ctl("reload")


@pytest.mark.parametrize("begin", (begin_roll, begin_restart, begin_start, begin_recycling))
def test_changed_while_one_starts(lab, begin):
    """What it starts with is not in force any more: it is started once more, and need not get ready before."""
    (lab.path / "go-0").touch()
    lbd = lab.lbd(versioned(lab, "0"))
    lbd.wait_up(3)
    load = lab.load(rate=20)
    begin(lab, lbd)
    wait_until(lambda: "starting" in lbd.states().values(), lbd.states)
    (lab.path / "go-2").touch()
    lbd.config(versioned(lab, "2"))
    lbd.ctl("reload")
    lbd.wait_output("rolled 3 workers")
    lbd.wait_up(3)
    assert old_ones(lbd) == set() and "roll ended" not in lbd.output()
    answers = lab.expect_workers({"8081", "8082", "8083"}, 3)
    assert {a.version for a in answers} == {"2"}
    assert {r.outcome for r in load.stop()} == {"ok"}


@pytest.mark.parametrize("settings", ("backoff 1h 1h;", "start_retries 0;"))
def test_those_that_serve_nobody_are_started_at_once(lab, settings):
    """Of a pool that is down as a whole there is nothing to protect: nobody waits for another's start."""
    lbd = lab.lbd(versioned(lab, "bad", settings))
    for name in ("web:8081", "web:8082", "web:8083"):
        lbd.wait_worker(name, "backoff" if "backoff" in settings else "fatal")
    lbd.config(versioned(lab, "1", settings))
    lbd.ctl("reload")
    wait_until(lambda: set(lbd.states().values()) == {"starting"}, lbd.states)
    (lab.path / "go-1").touch()
    lbd.wait_output("rolled 3 workers")
    lbd.wait_up(3)


GIVEN_UP = {
    "backoff": "backoff 1h 1h;",
    "fatal": "start_retries 0;",
}
MENDS = ("settings", "file", "unreadable file")


@pytest.mark.parametrize("away", (False, True), ids=("here", "lbd restarted"))
@pytest.mark.parametrize("what", MENDS)
@pytest.mark.parametrize("state", GIVEN_UP)
def test_what_has_failed_is_started_with_other_settings(lab, state, what, away):
    """At once, and its failures are forgotten; without a change it is left alone."""
    env = lab.path / "env"
    env.write_text("not a variable\n" if what.startswith("unreadable") else "VERSION=bad\n")
    (lab.path / "go-1").touch()
    version = None if what.endswith("file") else "bad"
    settings = GIVEN_UP[state] + ("" if version else "environment_file %s;" % env)
    lbd = lab.lbd(versioned(lab, version, settings, "8081-8082"))
    for name in ("web:8081", "web:8082"):
        lbd.wait_worker(name, state)
    if away:
        lbd.kill()
        lbd = lbd.restart()
    lbd.ctl("reload")
    assert {w["state"] for w in lbd.workers().values()} == {state}
    env.write_text("VERSION=1\n")
    lbd.config(versioned(lab, version and "1", settings, "8081-8082"))
    said = lbd.ctl("reload")
    assert "rolled" in said or said.count("has failed with old settings: it is started\n") == 2, said
    lbd.wait_up(2)
    assert {lab.get().version for _ in range(4)} == {"1"}
