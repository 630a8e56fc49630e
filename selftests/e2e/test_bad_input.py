# SPDX-License-Identifier: Apache-2.0
"""
What is wrong is refused with one clear line, and nothing is changed; what is missing on this host is
said.  (lbctl's words and the control socket's messages are in test_control.py.)
"""

import os

import pytest
from lab import BUILD, PYTHON, pool, run, text_of, unique, wait_equal, wait_until, web


def refuse(lab, config="", wrap=(), instance=None):
    """lbd that must not start: its exit code and its last line."""
    lbd = lab.lbd(config, ready=False, wrap=wrap, instance=instance)
    code = lbd.wait()
    lines = lbd.output().strip().splitlines()
    assert code == 1 and lines, (code, lines)
    assert not os.path.exists(lbd.pin())
    return lines[-1]


CONFIGS = [
    ("unknown directive", "pol web { }", "1:1", ("pol", "pool")),
    ("unknown in a pool", "pool web { schedule maglev; }", "1:12", ("schedule", "scheduler")),
    ("no semicolon", "pool web { scheduler maglev }", None, (";",)),
    ("open brace", "pool web {", None, ("}",)),
    ("open quote", 'pool web { worker { command "x; } }', None, ('"',)),
    ("unknown scheduler", "pool web { scheduler fast; }", "1:12", ("fast", "least_load")),
    ("port 0", "pool web { backend 127.0.0.1:0; }", "1:12", ("127.0.0.1:0", "65535")),
    ("port 65536", "pool web { backend 127.0.0.1:65536; }", "1:12", ("65536", "65535")),
    ("no port", "pool web { backend 127.0.0.1; }", "1:12", ("127.0.0.1",)),
    ("no address", "pool web { backend nowhere:80; }", "1:12", ("nowhere:80",)),
    ("weight", "pool web { backend 127.0.0.1:1 weight 1001; }", "1:12", ("1001", "1000")),
    (
        "backend twice",
        "pool web { backend 127.0.0.1:1; backend 127.0.0.1:1; }",
        "1:33",
        ("127.0.0.1:1",),
    ),
    ("pool twice", "pool web { } pool web { }", "1:14", ("web",)),
    ("duration", "pool web { drain_timeout 10x; }", "1:12", ("10x",)),
    ("no listen", "pool web { } service web { pool web; }", "1:14", ("listen",)),
    ("no pool", "service web { listen 0.0.0.0:80; pool api; }", "1:34", ("api",)),
    (
        "prefix",
        "pool p { } service w { listen 0.0.0.0:80; pool p; allow 10.0.0.1/8; }",
        None,
        ("10.0.0.1/8",),
    ),
    ("no command", "pool web { worker { ports 8081; } }", "1:12", ("command",)),
    ("no ports", "pool web { worker { command true; } }", "1:12", ("ports",)),
    ("ports backwards", "pool web { worker { command true; ports 9-8; } }", None, ("9-8",)),
    ("signal", "pool web { worker { command true; ports 9; stop_signal TREM; } }", None, ("TREM",)),
    (
        "restart",
        "pool web { worker { command true; ports 9; restart maybe; } }",
        None,
        ("maybe", "on_failure"),
    ),
    ("command quote", 'pool web { worker { command "sh -c \'x"; ports 9; } }', None, ("quote",)),
    (
        "unknown user",
        "pool web { worker { command true; ports 9; user nobody9; } }",
        None,
        ("nobody9",),
    ),
    (
        "unknown group",
        "pool web { worker { command true; ports 9; group nobody9; } }",
        None,
        ("nobody9",),
    ),
    (
        "no directory",
        "pool web { worker { command true; ports 9; directory /no/where; } }",
        None,
        ("/no/where",),
    ),
    (
        "no environment file",
        "pool web { worker { command true; ports 9; environment_file /no/env; } }",
        None,
        ("/no/env",),
    ),
    (
        "collision",
        "pool a { worker { command true; ports 9-12; } } pool b { worker { command true; ports 11; } }",
        None,
        ("11",),
    ),
    (
        "backend elsewhere",
        "pool web { backend 127.0.0.1:9; backend 192.0.2.77:80; }",
        "1:33",
        ("192.0.2.77:80", "not an address of this host alone; only local backends can be served"),
    ),
    ("include of nothing", "include /no/such/file.conf;", "1:1", ("/no/such/file.conf",)),
]


@pytest.mark.unprivileged
@pytest.mark.parametrize(
    "text, place, words", [c[1:] for c in CONFIGS], ids=[c[0] for c in CONFIGS]
)
def test_configuration(tmp_path, text, place, words):
    path = tmp_path / "bad.conf"
    path.write_text(text + "\n")
    result = run(BUILD / "lbd", "-t", "-c", path, check=False)
    assert result.returncode == 1, result
    said = result.stderr.strip()
    assert said.count("\n") == 0, said
    assert said.split(": ")[-1] and "%s:%s" % (path, place or "") in said, said
    for word in words:
        assert word in said, said


@pytest.mark.unprivileged
def test_configuration_that_is_good(tmp_path):
    path = tmp_path / "good.conf"
    path.write_text(web())
    assert run(BUILD / "lbd", "-t", "-c", path, check=False).returncode == 0


CHECK = 'health { exec "%s"; }'
WORKER = 'worker { command "sleep 1"; ports 8081; %s }'
# What is there and what is wrong with it: the configuration, what `check` says of each.
AT_THE_START = {
    "exec": (
        "pool a { backend 127.0.0.1:9; %s } pool b { backend 127.0.0.1:10; %s }"
        % (CHECK % "no-such-check --all", CHECK % "DIR/plain"),
        [
            "pool a: health exec no-such-check: No such file",
            "pool b: health exec DIR/plain: not a file that can be run",
        ],
    ),
    "logs": (
        "pool a { %s } pool b { %s } pool c { %s }"
        % (
            WORKER % "stdout DIR/no/a.log;",
            WORKER.replace("8081", "8082") % "stderr DIR/no/b.log;",
            WORKER.replace("8081", "8083") % "stdout DIR/c.log;",
        ),
        [
            "pool a: log DIR/no/a.log: No such file or directory; make its directory",
            "pool b: log DIR/no/b.log: No such file or directory; make its directory",
        ],
    ),
    "log_directory": (
        "log_directory DIR/no/logs; pool a { %s }" % (WORKER % ""),
        ["pool a: log DIR/no/logs/a:8081.log: No such file"],
    ),
    "each worker's": (
        "pool a { %s } pool b { %s } pool c { %s }"
        % (
            WORKER.replace("8081", "8081-8083") % "environment_file DIR/env-$index;",
            WORKER.replace("8081", "8084-8085") % "stdout DIR/$index/b.log; stderr DIR/no/$index;",
            WORKER.replace("8081", "8086-8089") % "directory DIR/no; stdout DIR/c-$port.log;",
        ),
        [
            "pool a: environment_file DIR/env-1: No such file",
            "pool a: environment_file DIR/env-2: No such file",
            "pool b: log DIR/0/b.log: No such file",
            "pool b: log DIR/no/0: No such file",
            "pool b: log DIR/1/b.log: No such file",
            "pool c: directory DIR/no: No such file",
        ],
    ),
    "limits": (
        "pool a { %s } pool b { %s }"
        % (
            WORKER.replace("8081", "8081-8082") % "limit core 1g; limit nofile 1000000000;",
            WORKER.replace("8081", "8083") % "limit nofile 100; nice 5;",
        ),
        ["pool a: limit nofile 1000000000: fs.nr_open is "],
    ),
    "private_tmp": (
        "pool a { %s } pool b { %s } pool c { %s }"
        % (
            WORKER.replace("sleep 1", "/tmp/none/serve") % "private_tmp on;",
            WORKER.replace("8081", "8082")
            % "private_tmp on; directory /var/tmp/$port; before_start /tmp/none/hook;",
            WORKER.replace("8081", "8083")
            % "private_tmp on; directory /tmp; before_start /usr/bin/env; stdout DIR/c.log;",
        ),
        [
            "pool a: command /tmp/none/serve: hidden by private_tmp",
            "pool b: directory /var/tmp/8082: hidden by private_tmp",
            "pool b: before_start /tmp/none/hook: hidden by private_tmp",
        ],
    ),
    "private_tmp of lbstatic": (
        "static a { listen 0.0.0.0:80; root /tmp/none; private_tmp on; }",
        ["pool a: root /tmp/none: hidden by private_tmp"],
    ),
    "static": (
        "static a { listen 0.0.0.0:80; root DIR/gone; }"
        "static b { listen 0.0.0.0:81; root DIR; auth * DIR/users; }"
        "static c { listen 0.0.0.0:82; root DIR; access_log DIR/no/c.log; }"
        "static d { listen 0.0.0.0:83; root DIR; mime_types DIR; access_log off; }",
        [
            "pool a: root DIR/gone: No such file",
            "pool b: password file DIR/users: No such file",
            "pool c: directory of access_log DIR/no: No such file",
            "pool d: mime_types DIR: Is a directory",
        ],
    ),
    "own": (
        "log DIR/no/lbd.log; pid_file DIR/none/pid;",
        ["lbd.conf:2:1: log DIR/no/lbd.log: No such", ": pid_file DIR/none/pid: No such"],
    ),
}


@pytest.mark.unprivileged
@pytest.mark.parametrize("program", ["lbd", "lbctl"])
@pytest.mark.parametrize("name", AT_THE_START)
def test_what_would_fail_at_the_start(tmp_path, name, program):
    """All of it, a line each."""
    text, expected = AT_THE_START[name]
    for present in ("plain", "env-0"):
        (tmp_path / present).touch()
    path = tmp_path / "lbd.conf"
    path.write_text(
        "log_directory DIR/logs;\n".replace("DIR", str(tmp_path)) * ("log_directory" not in text)
        + text.replace("DIR", str(tmp_path))
    )
    words = ["-t", "-c", path] if program == "lbd" else ["check", path]
    result = run(BUILD / program, *words, check=False)
    said = result.stderr.splitlines()
    assert result.returncode == 1 and not result.stdout, result
    assert len(said) == len(expected), said
    for line, words in zip(said, expected):
        assert line.startswith(program + ": ") and words.replace("DIR", str(tmp_path)) in line, said


IN_WORKER = "pool a {\n worker {\n  ports 9; %s\n%s\n }\n}\n"
IN_HEALTH = "pool a {\n health {\n%s\n%s\n }\n backend 127.0.0.1:9;\n}\n"


@pytest.mark.unprivileged
@pytest.mark.parametrize(
    "line",
    [
        "command '/no/such $port';",
        "directory /no/such;",
        "environment_file /dev/null; environment_file /no/such;",
        "read_only /usr /dev; read_only /usr /no/such;",
        "limit core 1g; limit nofile 1000000000;",
        "stdout /no/such/log;",
        "stderr /no/such/log;",
        "before_start /no/such;",
        "after_stop /no/such;",
        "exec /no/such;",
    ],
)
def test_the_line_of_what_is_wrong(tmp_path, line):
    """And not that of its pool."""
    setting = line.split()[0]
    frame = IN_HEALTH if setting == "exec" else IN_WORKER
    command = "" if setting in ("command", "exec") else "command true;"
    path = tmp_path / "lbd.conf"
    path.write_text("log_directory %s;\n" % tmp_path + frame % (command, line))
    said = run(BUILD / "lbctl", "check", path, check=False).stderr
    place = "%s:5:%d: pool a: " % (path, line.rindex(setting) + 1)
    assert place in said and said.count("\n") == 1, said
    assert "/no/such" in said or "1000000000" in said


def test_limits_that_cannot_be_had(tmp_path):
    path = tmp_path / "lbd.conf"
    path.write_text("min_files 2000000000; pool a { backend 127.0.0.1:9; %s }" % (CHECK % "none"))
    result = run(BUILD / "lbctl", "check", path, check=False)
    said = result.stderr.splitlines()
    assert "min_files 2000000000: the limit here is" in said[0] and "none: No such" in said[1], said


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o1775])
def test_pid_file_where_others_write(tmp_path, mode):
    """Also in a directory as /tmp is: who is first there has root replace it, or is believed."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    os.chown(shared, 0, 1)
    path = tmp_path / "lbd.conf"
    path.write_text("pid_file %s/lbd.pid;" % shared)
    result = run(BUILD / "lbctl", "check", path, check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1, result
    assert "pid_file %s/lbd.pid: " % shared in result.stderr
    assert "; name one in a directory of root's" in result.stderr


@pytest.mark.unprivileged
@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_check_reads_a_pipe(tmp_path, name):
    (tmp_path / "more.conf").write_text("pool web { backend 127.0.0.1:8081; }")
    text = "include more.conf; service web { listen 0.0.0.0:80; pool web; %s }"

    def check(words):
        return run(BUILD / "lbctl", "check", name, check=False, input=text % words, cwd=tmp_path)

    if name != "-":
        text = text.replace("more.conf", str(tmp_path / "more.conf"))
    assert check("").stdout == name + ": good: 1 services, 1 pools\n"
    assert name + ":1:" in check("colour red;").stderr
    with open(tmp_path / "more.conf", "rb") as file:
        assert "1 pools" in run(BUILD / "lbctl", "check", name, stdin=file).stdout


@pytest.mark.unprivileged
@pytest.mark.parametrize(
    "words", [["--no-such"], ["-c"], ["extra"], ["-n", "../up"], ["-n", "x" * 300]]
)
def test_options(words):
    result = run(BUILD / "lbd", *words, check=False)
    assert result.returncode in (1, 2) and result.stderr, result


@pytest.mark.parametrize(
    "text, logged",
    [("pool web {", 0), ("log /no/such/x.log;", 0), ("log OWN; pid_file /no/such/pid;", 1)],
    ids=["syntax", "log", "pid_file"],
)
def test_a_start_in_the_background_fails_once(lab, text, logged):
    """On the terminal one line, and one in the log, where there is one."""
    path, own, name = lab.path / "bad.conf", lab.path / "own.log", unique()
    path.write_text(text.replace("OWN", str(own)))
    result = lab.host.run(BUILD / "lbd", "-n", name, "-c", path, check=False)
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and line.startswith("lbd: "), result
    assert text_of(own).count(line.removeprefix("lbd: ")) == logged
    wait_until(lambda: not os.path.exists("/run/lbd/" + name), "its end leaves nothing")


def test_bad_configuration_does_not_start(lab):
    assert ":2:" in refuse(lab, "pool web { scheduler fast; }")


def test_not_root(lab):
    os.chmod(lab.path, 0o755)
    said = refuse(lab, web("8081"), wrap=["setpriv", "--reuid=65534", "--clear-groups"])
    assert "root" in said, said


def test_no_btf(lab):
    hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
    said = refuse(lab, web("8081"), wrap=["unshare", "-m", "sh", "-c", hide, "sh"])
    assert "BTF" in said, said


def test_same_instance_twice(lab):
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    pids = lbd.pids()
    second = lab.lbd(web("8081"), ready=False, instance=lbd.instance)
    assert second.wait() == 1
    assert lbd.instance in second.output().splitlines()[-1]
    assert lbd.pids() == pids and lab.get().worker == "8081"
    lab.lbds.remove(second)


def test_bpffs_is_mounted_where_it_is_not(lab):
    """In a mount namespace of its own; the pins end with it."""
    hide = 'while umount /sys/fs/bpf 2>/dev/null; do :; done; exec "$@"'
    lbd = lab.lbd(web("8081"), wrap=["unshare", "-m", "sh", "-c", hide, "sh"])
    lbd.wait_up(1)
    mounts = open("/proc/%d/mounts" % lbd.pid).read()
    assert " /sys/fs/bpf bpf " in mounts
    assert lab.get().worker == "8081"


def test_no_cgroup_v2(lab):
    """Goes on, says what is lost, and still finds listeners and ends whole groups."""
    hide = (
        'for m in $(awk \'$3 == "cgroup2" {print $2}\' /proc/mounts); do umount $m; done; exec "$@"'
    )
    lbd = lab.lbd(
        web("8081-8082", worker="backoff 20ms 20ms;"),
        wrap=["unshare", "-m", "sh", "-c", hide, "sh"],
    )
    # Not of `pool`, which looks itself.
    wait_until(lambda: {w["state"] for w in lbd.workers().values()} == {"up"}, lbd.workers)
    assert "cgroup" in lbd.output() and lbd.output().count("/dev/fuse") == 1
    assert lbd.json("status")["tracks"] is False
    lab.expect_workers({"8081", "8082"}, 16)
    # Ready by a listener of its own, not by that of the one before.
    lbd.ctl("roll", "web", "wait")
    lab.expect_workers({"8081", "8082"}, 16)


def test_each_limit_that_is_not_in_force_is_named(lab):
    hide = (
        'for m in $(awk \'$3 == "cgroup2" {print $2}\' /proc/mounts); do umount $m; done; exec "$@"'
    )
    lbd = lab.lbd(
        web("8081", worker="limit memory 1g; limit pids 500; limit cpu 150%;"),
        wrap=["unshare", "-m", "sh", "-c", hide, "sh"],
    )
    wait_until(lambda: lbd.workers()["web:8081"]["state"] == "up", lbd.workers)
    for said in (lbd.workers()["web:8081"]["note"], lbd.output()):
        assert all(file in said for file in ("memory.max ", "pids.max ", "cpu.max ")), said


def worker_note(lbd):
    return lbd.workers()["web:8081"]["note"]


def test_one_that_listens_elsewhere_is_told_while_it_starts(lab):
    lbd = lab.lbd(pool("%s -m http.server -b 127.0.0.1 9999" % PYTHON, "environment P=$port;"))
    said = "does not listen on 127.0.0.1:8081 yet, as the pool expects: it listens on 127.0.0.1:9999"
    wait_until(lambda: worker_note(lbd) == said, lbd.workers)
    assert lbd.workers()["web:8081"]["state"] == "starting"


def test_a_port_that_is_free_again_is_not_in_use(lab):
    lbd = lab.lbd(pool("sleep 1000 $port"))
    wait_until(lambda: worker_note(lbd).startswith("does not listen on "), lbd.workers)
    other = lab.app(8081)
    wait_until(lambda: "port 8081 is in use by " in worker_note(lbd), lbd.workers)
    other.stop()
    wait_until(lambda: worker_note(lbd).startswith("does not listen on "), lbd.workers)


def test_worker_port_in_use(lab):
    """Somebody else's listener: it is said who it is, the others serve, and the port is waited for."""
    other = lab.app(8081)
    lbd = lab.lbd(web("8081-8082", worker="start_retries 2; backoff 50ms 50ms;"))
    lbd.wait_worker("web:8082", "up")
    said = "port 8081 is in use by python3 (pid %d, user root)" % other.pid
    wait_until(lambda: said in lbd.workers()["web:8081"]["note"], lbd.workers)
    assert said in lbd.output()
    assert other.alive()
    other.kill()
    lbd.wait_up(2)


def test_inherited_port_in_use(lab):
    other = lab.app(8081)
    lbd = lab.lbd(
        web("8081", words="--inherit", worker="listen inherit; start_retries 1; backoff 50ms 50ms;")
    )
    said = "port 8081 is in use by python3 (pid %d, user root)" % other.pid
    wait_until(lambda: said in lbd.workers()["web:8081"]["note"], lbd.workers)
    assert other.alive()
    other.kill()
    lbd.wait_up(1)


FATAL = [
    ("no such file", "/no/such/program --port=$port", "/no/such/program"),
    ("no such word", "no-such-program-at-all", "no-such-program-at-all"),
    ("not executable", "/etc/passwd", "/etc/passwd"),
    ("exits at once", "sh -c 'echo first; echo the last words >&2; exit 3'", "the last words"),
    ("dies by a signal", "sh -c 'echo ending; kill -SEGV $$$$'", "SEGV"),
    ("ends with 0", "true", "0"),
]


@pytest.mark.parametrize("command, words", [f[1:] for f in FATAL], ids=[f[0] for f in FATAL])
def test_command_that_fails(lab, command, words):
    lbd = lab.lbd(
        'pool web { worker { command "%s"; ports 8081; start_retries 2; backoff 20ms 40ms; } }'
        "service web { listen 0.0.0.0:80; pool web; }" % command
    )
    lbd.wait_worker("web:8081", "fatal")
    worker = lbd.workers()["web:8081"]
    assert words in worker["note"] or words in lbd.output(), (worker, lbd.output())
    assert worker["pid"] == 0
    assert "Z" not in lbd.children().values()
    # Two retries: the first start is none.
    assert lbd.output().count("; started again in ") == 2
    assert "web:8081: given up after 3 failures in a row, with start_retries 2: " in lbd.output()
    # Repaired, it is started by hand.
    lbd.config(web("8081", attach=""))
    lbd.ctl("reload")
    if lbd.workers()["web:8081"]["state"] == "fatal":
        lbd.ctl("worker", "start", "web:8081")
    lbd.wait_up(1)


def test_last_output_is_shown(lab):
    lbd = lab.lbd(
        "pool web { worker { command \"sh -c 'echo cannot find the database; exit 1'\"; ports 8081;"
        " start_retries 1; backoff 20ms 20ms; } } service web { listen 0.0.0.0:80; pool web; }"
    )
    lbd.wait_worker("web:8081", "fatal")
    assert "cannot find the database" in lbd.output()
    assert "exit" in lbd.workers()["web:8081"]["note"]


def test_unwritable_log(lab):
    """Of one pool: it says so; the other pool serves."""
    lbd = lab.lbd(
        web("8081")
        + web(
            "8091",
            name="other",
            listen=["0.0.0.0:81"],
            attach="",
            worker="stdout /no/dir/x.log; start_retries 1; backoff 20ms 20ms;",
        )
    )
    lbd.wait_worker("web:8081", "up")
    wait_until(lambda: "/no/dir/x.log" in lbd.output(), lbd.output)
    assert lab.get().worker == "8081"


def test_nobody_is_left_as_a_zombie(lab):
    """Workers that keep ending, hooks and checks among them."""
    lbd = lab.lbd(
        "pool web { worker { command \"sh -c 'sleep 0.01 & exit 1'\"; ports 8081-8084; start_retries 8;"
        " backoff 10ms 20ms; before_start true; after_stop true; } } service web { listen 0.0.0.0:80; pool web; }"
    )
    wait_until(lambda: all(w["state"] == "fatal" for w in lbd.workers().values()), lbd.workers)
    wait_equal(lbd.children, {}, "children of lbd")


def test_check_tells_all_that_is_wrong(tmp_path):
    """An environment file that is not there hides no program that is not there either."""
    path = tmp_path / "bad.conf"
    path.write_text(
        "pool web { worker { command /nosuch/program; ports 8081; directory /nosuch/dir;"
        "stdout /nosuch/log/web.log; environment_file /nosuch/web.env; } }"
    )
    said = run(BUILD / "lbctl", "check", path, check=False).stderr.splitlines()
    for words in ("environment_file", "directory", "command", "log"):
        lines = [line for line in said if "pool web: %s /nosuch/" % words in line]
        assert len(lines) == 1 and "; " in lines[0], (words, said)
    assert len(said) == 4, said


MISLEADING = {
    "no port": ("node /app.js", "8101-8102", "", "to listen on port 8101-8102: add $port"),
    "another port": ("gunicorn -b 127.0.0.1:8000", "8101", "", "to listen on port 8101: add"),
    "escaped": ("node $$port", "8101", "", "add $port"),
    "a shell's": ("serve $port && true", "8101", "", 'command: "&&" is an argument like any'),
    "a hook's": ("serve $port", "8101", 'after_stop "rm x ; rm y";', 'after_stop: ";" is an'),
    "port": ("serve --port=$port", "8101-8102", "", None),
    "index": ("serve --number=${index}", "8101-8102", "", None),
    "by number": ("gunicorn -b 127.0.0.1:8101", "8101", "", None),
    "environment": ("node /app.js", "8101-8102", "environment PORT=$port;", None),
    "a file each": ("node /app.js", "8101-8102", "environment_file $port.env;", None),
    "directory": ("node /app.js", "8101-8102", "directory $index;", None),
    "inherit": ("node /app.js", "8101-8102", "listen inherit;", None),
    "one shell": ("sh -c 'serve $port && true; false'", "8101", "", None),
}


@pytest.mark.parametrize("words", MISLEADING)
def test_what_a_command_leaves_out(tmp_path, words):
    command, ports, more, said = MISLEADING[words]
    for name in ("node", "gunicorn", "serve", "rm", "sh"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    for number in ("0", "1"):
        (tmp_path / number).mkdir()
    for name in ("8101.env", "8102.env"):
        (tmp_path / name).touch()
    path = tmp_path / "web.conf"
    path.write_text(
        'log_directory %s; pool web { worker { command "%s"; ports %s; environment PATH=%s; %s } }'
        "service web { listen 127.0.0.1:80; pool web; }"
        % (tmp_path, command, ports, tmp_path, more)
    )
    checked = run(BUILD / "lbctl", "check", path)
    warnings = [line for line in checked.stderr.splitlines() if "pool web: " in line]
    assert len(warnings) == bool(said) and (not said or said in warnings[0]), warnings


ADVISED = {
    "limit memory 1GB;": "limit core|memory SIZE, such as 512m or 1g",
    "include /nosuch/*.conf;": "cannot be read; make it, or remove the line",
}


@pytest.mark.parametrize("words", ADVISED)
def test_check_says_what_to_do(tmp_path, words):
    path = tmp_path / "bad.conf"
    path.write_text(
        words
        if "include" in words
        else "pool web { worker { command /bin/true; ports 8081; %s } }" % words
    )
    assert ADVISED[words] in run(BUILD / "lbctl", "check", path, check=False).stderr
