# SPDX-License-Identifier: Apache-2.0
"""
lbctl and the control socket with the real lbd: what is wrong is refused with one line and nothing is
changed; clients of all kinds do lbd no harm.
"""

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess

import pytest
from lab import BUILD, DEADLINE, pool, run, wait_until, web

ROOT = BUILD.parent if BUILD.name != "san" else BUILD.parent.parent
CONF = """
    attach eth0;
    pool web { backend 127.0.0.1:8081; backend [::1]:8082; }
    service web { listen 0.0.0.0:80; listen [::]:80; pool web; }
"""


class Client:
    """A client of the control socket that may do anything."""

    def __init__(self, lbd):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect("/run/lbd/%s/control" % lbd.instance)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        if isinstance(data, dict):
            data = json.dumps(data).encode() + b"\n"
        self.socket.sendall(data)

    def receive(self):
        """A reply, or None at the end of file."""
        text = b""
        while not text.endswith(b"\n"):
            more = self.socket.recv(65536)
            if not more:
                return None
            text += more
        return json.loads(text)

    def ask(self, **request):
        self.send(request)
        return self.receive()


def everything(lbd):
    """What must not change: all that lists, but for the counts that go on."""
    status = lbd.json("status")
    for key in ("counters", "uptime_s"):
        del status[key]
    return lbd.json("pool"), lbd.json("service"), lbd.json("worker"), status


def descriptors(lbd):
    return len(os.listdir("/proc/%d/fd" % lbd.pid))


USAGE = [
    (["pol"], ["`pol`", "`pool`", "lbctl help"]),
    (["stop", "web:8081"], ["`stop web:8081`", "`worker stop`"]),
    (["pool", "drian", "127.0.0.1:8081"], ["`pool drian`", "`pool drain`"]),
    ([], ["verb", "lbctl help"]),
    (["pool", "add", "web", "8081"], ["`8081`", "ADDR:PORT"]),
    (["pool", "add", "web", "127.0.0.1:1", "weight"], ["N is missing"]),
    (["pool", "set", "127.0.0.1:1"], ["`weight` is missing"]),
    (["pool", "set", "127.0.0.1:1", "weight"], ["N is missing"]),
    (["service", "add", "x", "udp", "0.0.0.0:81"], ["`udp`", "`tcp`"]),
    (["attach", "eth0", "fast"], ["`fast`", "native|generic"]),
    (["worker", "start"], ["NAME is missing"]),
]


@pytest.mark.unprivileged
@pytest.mark.parametrize("words, said", USAGE, ids=[" ".join(u[0]) or "nothing" for u in USAGE])
def test_usage(words, said):
    result = run(BUILD / "lbctl", *words, check=False)
    assert result.returncode == 2 and not result.stdout
    assert result.stderr.startswith("lbctl: ") and result.stderr.count("\n") == 1
    for text in said:
        assert text in result.stderr


@pytest.mark.unprivileged
def test_no_lbd():
    result = run(BUILD / "lbctl", "-n", "nobody-has-this", "pool", check=False)
    assert result.returncode == 3
    assert "/run/lbd/nobody-has-this/control" in result.stderr and "-n" in result.stderr


@pytest.mark.unprivileged
def test_manual_has_every_verb():
    page = (ROOT / "cli" / "lbctl.8").read_text().replace("\\fB", "").replace("\\fR", "")
    page = re.sub(r"\|(stop|restart)", r"\nworker \1", page).replace('", "', "\n")
    helped = run(BUILD / "lbctl", "help").stdout
    verbs = re.findall(r"^  ([a-z]+(?: [a-z]+)?)", helped, re.M)
    assert len(verbs) > 20
    for verb in verbs:
        assert re.search(r"^(\.BR?)? *%s\b" % verb, page, re.M), verb


COMPLETIONS = [
    ("lbctl ", {"status", "pool", "roll"}),
    ("lbctl se", {"service"}),
    ("lbctl pool un", {"undrain"}),
    ("lbctl -n nobody-has-this -j worker restart a", {"all"}),
    ("lbctl pool add [::1]:80 w", {"weight"}),
    ("lbctl pool set [::1]:80 ", {"weight"}),
    ("lbctl attach l", {"lo"}),
    ("lbctl status ", set()),
]


@pytest.mark.unprivileged
@pytest.mark.parametrize("line, words", COMPLETIONS, ids=[c[0] for c in COMPLETIONS])
def test_completion(line, words):
    script = (
        'source "$1"; COMP_LINE=$2 COMP_POINT=${#2}; _lbctl; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = "%s:%s" % (BUILD.resolve(), os.environ["PATH"])
    found = run("bash", "-c", script, "bash", ROOT / "cli" / "lbctl.bash", line,
                env=dict(os.environ, PATH=path)).stdout.split()
    assert words <= set(found) and (len(words) != 1 or len(found) == 1), found
    assert words or not found


REFUSED = [
    ("pool add web 127.0.0.1:0", ["127.0.0.1:0", "65535"]),
    ("pool add web 127.0.0.1:65536", ["65536", "65535"]),
    ("pool add web 127.0.0.1:http", ["http"]),
    ("pool add web 300.0.0.1:80", ["300.0.0.1"]),
    ("pool add web [::1:80", ["[::1:80"]),
    ("pool add web ::1:80", ["::1:80"]),
    ("pool add web nowhere:80", ["nowhere"]),
    ("pool add web 127.0.0.1:8081", ["127.0.0.1:8081"]),
    ("pool add web [::1]:8082", ["[::1]:8082"]),
    ("pool add web 127.0.0.1:9 weight 0", ["1000"]),
    ("pool add web 127.0.0.1:9 weight 1001", ["1001", "1000"]),
    ("pool add web 127.0.0.1:9 weight 2x", ["2x"]),
    ("pool add web 127.0.0.1:9 max_connections x", ["x"]),
    ("pool add we/b 127.0.0.1:9", ["we/b"]),
    ("pool remove web 127.0.0.1:9", ["127.0.0.1:9"]),
    ("pool drain web 127.0.0.1:9", ["127.0.0.1:9"]),
    ("pool drain api 127.0.0.1:8081", ["api"]),
    ("pool drain web 127.0.0.1:8081 timeout soon", ["soon"]),
    ("pool undrain web 127.0.0.1:8081", ["127.0.0.1:8081"]),
    ("pool set web 127.0.0.1:9 weight 2", ["127.0.0.1:9", "lbctl pool"]),
    ("pool set api 127.0.0.1:8081 weight 2", ["api"]),
    ("pool set web 127.0.0.1:8081 weight 0", ["127.0.0.1:8081", "1 to 1000", "drain"]),
    ("pool set web 127.0.0.1:8081 weight 1001", ["1001", "1 to 1000"]),
    ("pool set web 127.0.0.1:8081 weight two", ["two", "1 to 1000"]),
    ("service add web tcp 0.0.0.0:80", ["0.0.0.0:80"]),
    ("service add other tcp 0.0.0.0:80 pool web", ["0.0.0.0:80"]),
    ("service add other tcp 0.0.0.0:81 pool api", ["api"]),
    ("service add other tcp 0.0.0.0:0 pool web", ["0.0.0.0:0"]),
    ("service remove other", ["other"]),
    ("attach eth9", ["eth9"]),
    ("detach eth9", ["eth9"]),
    ("worker web:8081", ["web:8081"]),
    ("worker start web:9", ["web:9"]),
    ("worker stop api:*", ["api"]),
    ("roll api", ["api"]),
    ("roll web", ["web"]),
    ("signal web:9 TERM", ["web:9"]),
    ("signal all TREM", ["TREM"]),
    ("tail web:9", ["web:9"]),
    ("pid web:9", ["web:9"]),
]


def test_refused(lab):
    lbd = lab.lbd(CONF)
    before = everything(lbd)
    wrong = []
    for words, said in REFUSED:
        result = lbd.ctl(*words.split(), check=False)
        good = result.returncode in (1, 4) and not result.stdout
        good = good and result.stderr.startswith("lbctl: ") and result.stderr.count("\n") == 1
        good = good and all(text in result.stderr for text in said)
        if not good or everything(lbd) != before:
            wrong.append((words, result.returncode, result.stdout, result.stderr))
            before = everything(lbd)
    assert not wrong, "\n".join(map(str, wrong))


def test_the_way_back(lab):
    """A port that a verb took goes to whoever listens there, with the last backend and with nothing left to save."""
    lbd = lab.lbd("")
    lab.app(8081)
    lbd.ctl("pool", "add", "127.0.0.1:8081")
    lbd.wait_up(1)
    lab.expect_workers({"8081"}, 4)
    said = lbd.refused("service", "remove", "default")
    assert "goes with the last of them (`lbctl pool remove default` removes all)" in said
    assert lbd.ctl("pool", "remove", "127.0.0.1:8081") == "removed, and with it service default\n"
    assert lbd.json("pool") == lbd.json("service") == []
    lbd.ctl("save")
    assert "default" not in lbd.conf.read_text()
    other = lab.app(80, "--address=0.0.0.0")
    lab.expect_workers({"80"}, 4)
    other.stop()
    lbd.ctl("pool", "add", "127.0.0.1:8081")
    lbd.wait_up(1)
    lab.expect_workers({"8081"}, 4)
    assert "service default" in lbd.ctl("pool", "remove", "default", "timeout", "1s")
    assert lbd.json("pool") == lbd.json("service") == []
    lbd.ctl("save")
    assert "default" not in lbd.conf.read_text()


def test_a_slip_is_taken_back(lab):
    """A pool that a verb has made goes with its only backend, and from the file: one that a service names stays."""
    lbd = lab.lbd("pool web { backend 127.0.0.1:9; } service web { listen 0.0.0.0:80; pool web; }")
    lbd.ctl("pool", "add", "wbe", "127.0.0.1:9001")
    said = lbd.ctl("pool", "remove", "wbe", "127.0.0.1:9001")
    assert said == "removed, and with it its pool, which had no other\n"
    assert lbd.ctl("pool", "remove", "web", "127.0.0.1:9") == "removed\n"
    lbd.ctl("save")
    assert "wbe" not in lbd.conf.read_text() and [p["pool"] for p in lbd.json("pool")] == ["web"]
    lbd.ctl("pool", "add", "web", "127.0.0.1:9")


def test_pool_remove_waits_for_all_of_it(lab):
    """With the timeout that was said; not a pool that serves, has workers, or is of a static."""
    lbd = lab.lbd(
        "pool web { backend 127.0.0.1:8081; backend 127.0.0.1:8082; }"
        "service web { listen 0.0.0.0:80; pool web; }"
        "pool same { } service same { listen 0.0.0.0:82; }"
        "pool own { worker { command 'sleep 1000 $port'; ports 8091; } }"
        "static st { listen 0.0.0.0:81; root /; access_log off; }"
    )
    lab.apps([8081, 8082])
    lbd.wait_up(2, "web")
    lbd.wait_up(2, "st")
    before = everything(lbd)
    for words, why in {
        "pool remove web": "in use by service web: remove that first (`lbctl service remove web`)",
        "pool remove same": "in use by service same: remove that first",
        "pool remove own": "has workers, which would be stopped: if that is meant: `lbctl pool remove own force`",
        "pool remove st": "is of `static st`, and goes with that: take it out of the configuration",
        "service remove st": "is of `static st`, and goes with that: take it out of the configuration",
        "pool remove ow": "ow: no such pool",
        "pool ow": "ow: no such pool",
    }.items():
        assert why in lbd.refused(*words.split()), words
    for words, why in (("", "is missing"), ("127.0.0.1:8081 force", "force is for a pool as a whole")):
        wrong = lbd.ctl("pool", "remove", *words.split(), check=False)
        assert wrong.returncode == 2 and why in wrong.stderr
    assert everything(lbd)[:2] == before[:2]
    held = [lab.hold() for _ in range(2)]
    lbd.ctl("service", "remove", "web")
    said = lbd.ctl("pool", "remove", "web", "timeout", "300ms", "wait")
    assert said.startswith("2 backends are drained: of 2 connections") and held, said
    assert {p["pool"] for p in lbd.json("pool")} == {"own", "same", "st"}
    pid = lbd.pids()["own:8091"]
    lbd.ctl("pool", "remove", "own", "force", "wait")
    wait_until(lambda: not os.path.exists("/proc/%d" % pid))
    assert {p["pool"] for p in lbd.json("pool")} == {"same", "st"}


@pytest.mark.parametrize("included", (False, True))
def test_pool_default_of_a_file(lab, included):
    """What only a file has goes by the same verb, and from the file by `save`."""
    text = "pool default { backend 127.0.0.1:8081; } # the first\n"
    part = lab.path / "part.conf"
    part.write_text(text)
    lbd = lab.lbd("include part.conf;\n" if included else text)
    assert [s["service"] for s in lbd.json("service")] == ["default"]
    assert lbd.ctl("pool", "remove", "default") == "removed, and with it service default\n"
    assert lbd.json("service") == lbd.json("pool") == []
    lbd.ctl("save")
    assert "backend" not in (part if included else lbd.conf).read_text()
    assert ("include part.conf" in lbd.conf.read_text()) == included
    assert "no difference" in lbd.ctl("reread").lower()


# Words of a sentence that follow the command in the manuals' and README's lines.
NAMED = re.compile(r"`lbctl ([^`\n]*)`|^(?:\.BR? \"?|    (?:sudo )?)lbctl (?!\()([^\"|\n]*?)(?:\"|  .*| \|.*)?$", re.M)


@pytest.mark.unprivileged
def test_commands_that_are_named_exist():
    """In messages and manuals; a verb may be named without its words."""
    sources = [p for d in ("daemon", "cli") for p in (ROOT / d).rglob("*.[ch58]")]
    named = {}
    for path in [*sources, ROOT / "README.md"]:
        text = re.sub(r'"\s*\n\s*"', "", path.read_text()) if path.suffix in (".c", ".h") else path.read_text()
        for found in NAMED.findall(text):
            named.setdefault("".join(found).replace("\\", ""), path.name)
    assert len(named) > 30, named
    wrong = []
    for command, place in named.items():
        words = [word.strip(",") for word in re.sub(r"%[.0-9]*s", "web", command).split()]
        said = run(BUILD / "lbctl", "-n", "nobody-has-this", *words, check=False)
        if said.returncode == 2 and " is missing" not in said.stderr:
            wrong.append((place, command, said.stderr))
    assert not wrong, wrong


def test_attach_with_what_cannot_follow(lab):
    """Neither an interface nor its mode stays changed by a command that was refused."""
    lbd = lab.lbd("attach lo generic; pool web { backend 127.0.0.1:8081; }")
    before = everything(lbd)
    assert [(i["interface"], i["tier"]) for i in before[3]["interfaces"]] == [("lo", "generic")]
    lbd.config("attach eth0; attach lo; pool web { backend 192.0.2.77:8081; }")
    assert "192.0.2.77" in lbd.refused("reload")
    with Client(lbd) as client:
        assert "fast" in client.ask(verb="attach", interface="eth0", mode="fast")["error"]
    assert everything(lbd) == before
    assert "xdp" not in lab.host.ip("link", "show", "eth0").stdout


def test_log_tells_who_changed_what(lab):
    """A line for each verb that changes something, done or not, and none of what others ask in vain."""
    secret = "hunter2"
    good = (
        "control { mode 0666; group daemon; } pool web { backend 127.0.0.1:8081; }"
        "pool own { worker { command 'sleep 1000 $port'; ports 8091; environment KEY=%s; } }" % secret
    )
    lbd = lab.lbd(good)
    lbd.ctl("pool", "add", "web", "127.0.0.1:8082", "weight", "3")
    lbd.ctl("pool", "drain", "web", "127.0.0.1:8082")
    assert "no such backend" in lbd.refused("pool", "undrain", "web", "127.0.0.1:9")
    lbd.ctl("status")
    lbd.ctl("reread")
    stranger = ["setpriv", "--reuid=65534", "--clear-groups", *lbd.ctl_command("pool", "drain")]
    for _ in range(3):
        refused = run(*stranger, "127.0.0.1:8081", check=False)
        assert refused.returncode == 1 and "members of group daemon may" in refused.stderr
    with Client(lbd) as client:
        client.ask(verb="clear", name="\x1b[31m" + "x" * 3000 + "\nforged")
    with Client(lbd) as client:
        client.ask(verb="service remove", name='v", by root (uid 0): done\nsave')
    lbd.config(good + "pool own { worker { environment %s; } }" % secret)
    lbd.refused("reload")
    lbd.config(good.replace("127.0.0.1:8081", "127.0.0.1:8083"))
    lbd.ctl("reload")
    lbd.signal(signal.SIGHUP)
    lbd.wait_output("^reloaded")
    lines = lbd.output().splitlines()
    told = [line for line in lines if ", by root (uid 0): " in line]
    assert told[:3] == [
        "pool add web 127.0.0.1:8082 weight 3, by root (uid 0): done",
        "pool drain web 127.0.0.1:8082, by root (uid 0): begun",
        "pool undrain web 127.0.0.1:9, by root (uid 0): refused: \"127.0.0.1:9: no such backend in "
        'pool web (`lbctl pool` lists them)"',
    ]
    assert re.fullmatch(r'clear "\?\[31mx{75}", by root \(uid 0\): refused: ".{,512}"', told[3]), told[3]
    forged = 'v\\", by root (uid 0): done save'
    assert told.pop(4) == (
        'service remove "%s", by root (uid 0): refused: "%s: no such service '
        '(`lbctl service` lists them)"' % (forged, forged)
    )
    assert told[4:] == [
        "reload, by root (uid 0): refused",
        "reload, by root (uid 0): done",
    ]
    for change in ("127.0.0.1:8081 removed", "127.0.0.1:8083 added"):
        assert "reload: pool web: backend " + change in lines
    assert secret not in lbd.output() and "nobody" not in lbd.output()


def test_pages(lab):
    """What a person sees, with the real thing."""
    lbd = lab.lbd(CONF)
    status = lbd.ctl("status")
    assert "instance %s, pid %d" % (lbd.instance, lbd.pid) in status
    assert re.search(r"^tier +native$", status, re.M) and "eth0  native" in status
    pool = lbd.ctl("pool").splitlines()
    assert pool[0].split()[:2] == ["BACKEND", "STATE"]
    assert pool[1] == "web, least_load, NOBODY SERVES: clients are refused"
    assert pool[2].split()[:2] == ["127.0.0.1:8081", "down"]
    lab.app(8081)
    lbd.wait_state("127.0.0.1:8081", "up")
    pool = lbd.ctl("pool")
    assert pool.splitlines()[1] == "web, least_load" and "no IPv6 listener" in pool
    assert lbd.ctl("service").splitlines()[1].split()[:4] == ["web", "web", "0.0.0.0:80,", "[::]:80"]
    assert lbd.ctl("pid") == "%d\n" % lbd.pid
    assert lbd.ctl("worker").startswith("no workers")
    assert "lbd " in lbd.ctl("version")
    assert lbd.ctl("reread") == "no difference\n"
    assert "\033[" not in status + lbd.ctl("pool")


def test_exit_code_of_one_that_does_not_run(lab):
    """As of LSB's status, for each verb that asks for one."""
    lbd = lab.lbd(web("8081", worker="autostart off;"))
    for words in (["worker", "web:8081"], ["pid", "web:8081"], ["signal", "web:8081", "HUP"]):
        assert lbd.ctl(*words, check=False).returncode == 3, words


@contextlib.contextmanager
def user(uid):
    """What is opened and connected within is this user's."""
    groups = os.getgroups()
    if uid:
        os.setgroups([])
        os.setegid(65534)
        os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def client_of(lbd, uid):
    with user(uid):
        return Client(lbd)


def test_closed_by_default(lab):
    """Nobody but root and the group reaches lbd's parser, unless the configuration says so."""
    lbd = lab.lbd(CONF)
    path = "/run/lbd/%s/control" % lbd.instance
    assert os.stat(path).st_mode & 0o7777 == 0o660
    with pytest.raises(PermissionError):
        client_of(lbd, 65534)
    lbd.config("control { mode 0666; }" + CONF)
    lbd.ctl("reload")
    with client_of(lbd, 65534) as client:
        assert client.ask(verb="status")["ok"]


SECRETS = """
    control { mode 0666; }
    pool web {
        worker {
            command "%s secret-of-command"; ports 8081; restart never;
            environment TOKEN=secret-of-environment;
            before_start "/bin/true secret-of-hook";
        }
        health { exec "/secret-of-check"; interval 20ms; fall 1; }
    }
    pool missing { worker { command "/secret-of-path"; ports 8082; start_retries 0; } }
    pool checked {
        backend 127.0.0.1:8083;
        health { exec "/secret-of-other-check"; interval 20ms; fall 1; }
    }
"""

READS = {"pid", "pool", "service", "status", "version", "worker"}
CLIENT_ONLY = {"check", "help", "import"}
ASKED = {
    "name": "all",
    "pool": "web",
    "address": "127.0.0.1:8081",
    "interface": "lo",
    "signal": "TERM",
    "protocol": "tcp",
}


def verbs():
    helped = run(BUILD / "lbctl", "help").stdout
    return set(re.findall(r"^  ([a-z]+(?: [a-z]+)?)", helped, re.M)) - CLIENT_ONLY


def said_to(lbd, uid, verb):
    """The first line of an answer, as text; None: refused as one who may only read."""
    with client_of(lbd, uid) as client:
        client.send({"verb": verb, **(ASKED if verb not in READS | {"reread"} else {})})
        reply = client.receive()
    refused = not reply["ok"] and "only root and members of group" in reply["error"]
    return None if refused else json.dumps(reply)


def test_what_each_verb_tells_to_whom(lab):
    """Where reading is open: no verb tells a stranger a word of what is for those who may change."""
    crash = lab.script("echo secret-of-output; exit 3\n").partition(" ")[0]
    lab.app(8083)
    lbd = lab.lbd(SECRETS % crash)
    lbd.conf.chmod(0o600)
    for name in ("web:8081", "missing:8082"):
        wait_until(lambda: lbd.workers()[name]["note"], lbd.workers)
    wait_until(lambda: "secret" in lbd.backend("127.0.0.1:8083")["note"], lbd.workers)
    lbd.config("secret-of-file;")
    for verb in ("worker", "pool", "reread"):
        assert "secret-of-" in said_to(lbd, 0, verb), verb
    assert READS < verbs()
    wrong = {}
    for verb in sorted(verbs()):
        said = said_to(lbd, 65534, verb)
        if (said is not None) != (verb in READS) or "secret" in (said or ""):
            wrong[verb] = said
    assert not wrong


def noted(data):
    """The notes anywhere in it that say something."""
    if isinstance(data, dict):
        return [v for k, v in data.items() if k == "note" and v] + noted(list(data.values()))
    return sum(map(noted, data), []) if isinstance(data, list) else []


def test_a_reader_gets_no_notes(lab):
    """Whatever shows them to those who may change: they name processes of others, say."""
    conf = web("8081-8082", worker="restart never;", attach="attach absent0;")
    lbd = lab.lbd("control { mode 0666; }" + conf)
    lbd.wait_up(2)
    lab.app(80, "--address=0.0.0.0")
    os.kill(lbd.workers()["web:8081"]["pid"], signal.SIGKILL)
    wait_until(lambda: noted(lbd.json("worker")), lbd.workers)
    verbs = ("pool", "service", "status", "worker")
    shown = [(u, v, noted(json.loads(said_to(lbd, u, v)))) for u in (0, 65534) for v in verbs]
    assert [bool(notes) for _, _, notes in shown] == [True] * 4 + [False] * 4, shown


def test_who_may_change(lab):
    lbd = lab.lbd("control { mode 0666; }" + CONF)
    before = everything(lbd)
    with client_of(lbd, 65534) as client:
        for verb in sorted(verbs() - READS):
            reply = client.ask(verb=verb, **dict(ASKED, address="127.0.0.1:9"))
            assert not reply["ok"] and reply["exit"] == 1, reply
            assert "root" in reply["error"] and "lbd" in reply["error"], reply
    assert everything(lbd) == before


def test_strangers_keep_nobody_out(lab):
    """Three users with all the connections that they get, none of which asks anything."""
    lbd = lab.lbd("control { mode 0666; }" + CONF)
    held = [client_of(lbd, uid) for uid in (60001, 60002, 60003) for _ in range(70)]
    assert lbd.json("status")["pid"] == lbd.pid
    with client_of(lbd, 65534) as client:
        assert client.ask(verb="status")["ok"]
    for client in held:
        client.socket.close()


BAD = [
    ("garbage", b"\x00\xff\xfe{]\n"),
    ("a number", b"1\n"),
    ("a list", b"[{}]\n"),
    ("nothing", b"\n"),
    ("one mebibyte", b"x" * (1 << 20)),
    ("one mebibyte of JSON", b'{"verb": "pool", "x": "' + b"x" * (1 << 20) + b'"}\n'),
    ("a million brackets", b"[" * 65000 + b"\n"),
]


def test_bad_messages(lab):
    lbd = lab.lbd(CONF)
    before, open_before = everything(lbd), descriptors(lbd)
    for name, message in BAD:
        with Client(lbd) as client:
            client.send(message)
            reply = client.receive()
            assert reply and not reply["ok"] and reply["error"], name
            assert client.receive() is None, name
    for request in ({}, {"verb": 1}, {"verb": "x" * 60000}, {"verb": "pool add", "address": 7},
                    {"verb": "pool add", "address": "127.0.0.1:1", "weight": {"a": []}}):
        with Client(lbd) as client:
            reply = client.ask(**request)
            assert not reply["ok"] and len(reply["error"]) < 1000, request
    assert everything(lbd) == before
    wait_until(lambda: descriptors(lbd) <= open_before, lambda: descriptors(lbd))


def members_of(lbd):
    """{verb: (words, flags)}, by what lbd says that each takes."""
    helped = run(BUILD / "lbctl", "help").stdout
    verbs = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?: .*)?$", helped, re.M)
    found = {}
    with Client(lbd) as client:
        for verb in verbs:
            reply = client.ask(verb=verb, nonsense="x")
            assert not reply["ok"] and reply["exit"] == 2, (verb, reply)
            if "no such verb" in reply["error"]:  # one of lbctl's own
                continue
            assert '"nonsense"' in reply["error"], reply
            found[verb] = reply["error"].rpartition("it takes: ")[2].split()
    return found


def test_no_member_is_passed_over(lab):
    """Of every verb: a member that it does not take, or of a type that it does not."""
    lbd = lab.lbd(CONF)
    before = everything(lbd)
    members = members_of(lbd)
    assert len(members) > 20 and members["pool drain"] == ["pool", "address", "timeout", "wait"]
    with Client(lbd) as client:
        for verb, names in members.items():
            for name in names if names != ["none"] else []:
                for wrong in ([], {}, 1.5, None, 1 if name in ("wait", "force", "follow") else True):
                    reply = client.ask(verb=verb, **{name: wrong})
                    assert not reply["ok"] and reply["exit"] == 2, (verb, name, wrong, reply)
                    assert "member " + name in reply["error"], reply
        assert everything(lbd) == before
        assert "udp" in client.ask(verb="service add", name="x", protocol="udp", address="0.0.0.0:81",
                                   pool="web")["error"]
        assert everything(lbd) == before
        # A number is as good as its digits, and held to the same bounds.
        request = {"verb": "pool add", "pool": "web", "address": "127.0.0.1:9"}
        assert "1001" in client.ask(**request, weight=1001)["error"]
        assert "-1" in client.ask(**request, max_connections=-1)["error"]
        assert everything(lbd) == before
        assert client.ask(**request, weight=7, max_connections=9)["ok"]
    added = lbd.backend("127.0.0.1:9")
    assert (added["weight"], added["max_connections"]) == (7, 9)


def test_silence(lab):
    """Half a message, nothing at all, a message without its end: closed after 10 s; others go on."""
    lbd = lab.lbd(CONF)
    clients = [Client(lbd) for _ in range(3)]
    clients[0].send(b'{"verb": "po')
    clients[2].send(b'{"verb": "pool"}')
    assert lbd.json("pool")
    for client in clients:
        assert client.receive() is None
        client.socket.close()


def test_a_thousand_clients(lab):
    lbd = lab.lbd(CONF)
    open_before = descriptors(lbd)
    clients = []
    for _ in range(1000):
        clients.append(Client(lbd))
        clients[-1].send({"verb": "status"})
    for client in clients:
        assert client.receive()["ok"]
        client.socket.close()
    wait_until(lambda: descriptors(lbd) <= open_before, lambda: descriptors(lbd))
    assert lbd.json("status")["pid"] == lbd.pid


def test_client_that_leaves(lab):
    """Gone before the final reply: nobody waits any more, the change stands."""
    lbd = lab.lbd(CONF)
    lab.app(8081)
    lbd.wait_state("127.0.0.1:8081", "up")
    with lab.hold():
        waiting = [lbd.instance, "pool", "drain", "127.0.0.1:8081", "timeout", "1m", "wait"]
        process = subprocess.Popen([BUILD / "lbctl", "-n", *waiting])
        lbd.wait_state("127.0.0.1:8081", "draining")
        process.kill()
        process.wait()
        assert lbd.states()["127.0.0.1:8081"] == "draining"
        lbd.ctl("pool", "undrain", "127.0.0.1:8081")
        lbd.wait_state("127.0.0.1:8081", "up")


def test_reader_that_does_not_read(lab):
    lbd = lab.lbd(CONF)
    with Client(lbd) as client:
        client.socket.setblocking(False)
        try:
            while True:
                client.send({"verb": "pool"})
        except BlockingIOError:
            pass
        for _ in range(10):
            assert lbd.json("status")["pid"] == lbd.pid

def test_tail_on_a_terminal(lab):
    """What a worker writes cannot lead the terminal of who looks; in a pipe it is as it was written."""
    hostile = "a\x1b[2Jb\x07\x7f \u009b31m \u202ec\u2066 ä"
    words = "sh -c 'printf \"a\\033[2Jb\\007\\177 \\302\\23331m \\342\\200\\256c\\342\\201\\246 \\303\\244\\n\"; exec sleep 1000'"
    lbd = lab.lbd(pool(words))
    wait_until(lambda: "ä" in lbd.ctl("tail", "web:8081"), lbd.output)
    assert hostile in lbd.ctl("tail", "web:8081")
    for options in ([], ["-f"]):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            lbd.ctl_command("tail", "web:8081", *options), stdout=theirs, stderr=theirs
        ) as tail:
            os.close(theirs)
            shown = b""
            while "ä".encode() not in shown:
                shown += os.read(ours, 4096)
            tail.kill()
        os.close(ours)
        assert "a?[2Jb?? ?31m ?c? ä" in shown.decode()


def silent(lab, *words):
    """lbctl before an lbd that is stopped, once it has said so."""
    lbd = lab.lbd(CONF)
    lbd.signal(signal.SIGSTOP)
    asked = lab.process(*lbd.ctl_command(*words), log="lbctl.log")
    said = "lbd (pid %d) does not answer yet, state T (stopped); waiting" % lbd.pid
    asked.wait_output("^lbctl: " + re.escape(said))
    return lbd, asked


@pytest.mark.parametrize("words, limit", [("status", " up to 30 s\n"), ("roll web wait", "\n")])
def test_a_silent_lbd_is_named(lab, words, limit):
    lbd, asked = silent(lab, *words.split())
    assert asked.alive() and asked.output().endswith("waiting" + limit)
    lbd.signal(signal.SIGCONT)
    assert asked.wait() in (0, 1)


def test_a_silent_lbd_is_given_up(lab):
    lbd, asked = silent(lab, "status")
    assert asked.wait(2 * DEADLINE) == 3
    lbd.signal(signal.SIGCONT)
    last = asked.output().splitlines()[-1]
    assert "no reply within 30 s: it is stopped; `kill -CONT %d`" % lbd.pid in last, last
