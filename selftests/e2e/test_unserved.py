# SPDX-License-Identifier: Apache-2.0
"""What is written well and serves nobody on this host, or would not start there, is warned of."""

import pytest
from lab import BUILD, HOST4, PYTHON

POOL = "pool web { backend 127.0.0.1:9; }\n"
SERVICE = "service web { pool web; %s }"
ABSENT = "service web: listen %s: not an address of this host now"
# What is written, the place and the words of its warning (None: there is none), and whether a start and a reload have it.
UNSERVED = {
    "another host's": (
        POOL + SERVICE % "listen 10.66.0.111:80;",
        ":2:25: " + ABSENT % "10.66.0.111:80",
        True,
    ),
    "several": (
        POOL + SERVICE % "listen 10.55.0.1:80; listen 10.66.0.111:80; listen 10.66.0.112:80;",
        ":2:46: " + ABSENT % "10.66.0.111:80 (and 1 more of its addresses)",
        True,
    ),
    "of IPv6": (
        POOL + SERVICE % "listen [2001:db8:7::1]:80;",
        ":2:25: " + ABSENT % "[2001:db8:7::1]:80",
        True,
    ),
    "of a static": (
        "static web { root /usr/share; listen 10.66.0.111:80; }",
        ":1:31: " + ABSENT % "10.66.0.111:80",
        True,
    ),
    "its own": (
        POOL + SERVICE % "listen 10.55.0.1:80; listen 127.3.2.1:81; listen [::1]:80;",
        None,
        False,
    ),
    "of a prefix": (POOL + SERVICE % "listen 10.77.15.255:80;", None, False),
    "beyond the prefix": (
        POOL + SERVICE % "listen 10.77.16.0:80;",
        ":2:25: " + ABSENT % "10.77.16.0:80",
        True,
    ),
    "any": (POOL + SERVICE % "listen 0.0.0.0:80; listen [::]:80;", None, False),
    "nobody in it": (
        "pool web { }\n" + SERVICE % "listen 0.0.0.0:80;",
        ":2:1: service web: its pool web is empty: each client is refused until it has",
        True,
    ),
    "named by nobody": (
        POOL + "pool api { backend 127.0.0.1:10; }" + SERVICE % "listen 0.0.0.0:80;",
        ":2:1: pool api: no service names it: no client comes to it",
        False,
    ),
    "for want of a service": ("pool default { backend 127.0.0.1:9; }", None, False),
}


def lay_out(lab):
    lab.host.run("ip", "address", "add", "10.55.0.1/32", "dev", "lo")
    lab.host.run("ip", "route", "add", "local", "10.77.0.0/20", "dev", "lo")


@pytest.mark.parametrize("program", ["lbd", "lbctl"])
def test_check(lab, program):
    lay_out(lab)
    for name, (text, words, _) in UNSERVED.items():
        path = lab.path / "checked.conf"
        path.write_text(text + "\nlog_directory %s;" % lab.path)
        command = ["lbd", "--test", "-c", path] if program == "lbd" else ["lbctl", "check", path]
        result = lab.host.run(BUILD / command[0], *command[1:])
        warned = result.stderr.splitlines()
        assert ": good: " in result.stdout and len(warned) == bool(words), (name, warned)
        if words:
            assert str(path) + words in warned[0], (name, warned)


def test_reload_and_start(lab):
    """It may come later, so nothing is refused; reread says what reload will."""
    lay_out(lab)
    lbd = lab.lbd("")
    for name, (text, words, is_heard) in UNSERVED.items():
        lbd.config(text)
        for verb in (["reread"], ["reload", "force"]):
            result = lbd.ctl(*verb, check=False)
            assert result.returncode == 0, (name, result)
            warned = [line for line in result.stderr.splitlines() if "service web: " in line]
            assert len(warned) == is_heard, (name, verb, result)
            assert not is_heard or words.partition(" ")[2] in warned[0], (name, verb, warned)
    lbd.config(UNSERVED["another host's"][0])
    lbd.ctl("reload", "force")
    lab.host.run("ip", "address", "add", "10.66.0.111/32", "dev", "lo")
    assert "service web: " not in lbd.ctl("reload", check=False).stderr
    lab.host.run("ip", "address", "del", "10.66.0.111/32", "dev", "lo")
    lbd.stop()
    lbd = lab.lbd(UNSERVED["another host's"][0])
    assert lbd.output().count(ABSENT % "10.66.0.111:80") == 1, lbd.output()


# Who listens, and where a service does; whether that is in use.
TAKEN = {
    "the same": ("0.0.0.0", "0.0.0.0:80", True),
    "one of any": ("10.55.0.1", "0.0.0.0:80", True),
    "any": ("0.0.0.0", "10.55.0.1:80", True),
    "any of both families": ("::", "0.0.0.0:80", True),
    "any of both families, one": ("::", "10.55.0.1:80", True),
    "another": ("10.55.0.1", "127.0.0.1:80", False),
    "another port": ("10.55.0.1", "10.55.0.1:81", False),
    "another family": ("::1", "0.0.0.0:80", False),
    "any of the other family": ("0.0.0.0", "[::1]:80", False),
}
LISTENER = """
import socket, sys, time
sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
sock.bind((sys.argv[1], 80))
sock.listen()
print("listening", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("name", TAKEN)
def test_a_port_that_somebody_has(lab, name):
    """Check says it as start and reload do, in their words, and goes on: the other may be about to end."""
    bound, listen, is_taken = TAKEN[name]
    lay_out(lab)
    other = lab.process(PYTHON, "-c", LISTENER, bound)
    other.wait_output("^listening")
    text = POOL + SERVICE % ("listen %s;" % listen)
    path = lab.path / "checked.conf"
    path.write_text(text)
    said = "service web: %s is in use by python3 (pid %d): end it, or listen elsewhere"
    said %= (listen, other.pid)
    for command in (["lbd", "--test", "-c", path], ["lbctl", "check", path]):
        result = lab.host.run(BUILD / command[0], *command[1:])
        warning = "%s: warning: %s:2:1: %s\n" % (command[0], path, said)
        assert ": good: " in result.stdout and result.stderr == warning * is_taken, result
    lbd = lab.lbd("")
    lbd.config(text)
    if is_taken:
        assert lbd.refused("reload", "force").endswith(": %s\n" % said)
    else:
        lbd.ctl("reload", "force")
    lbd.stop()
    if is_taken:
        lbd = lab.lbd(text, ready=False)
        assert lbd.wait() == 1 and said in lbd.output(), lbd.output()
    else:
        lab.lbd(text).stop()


NEW = (
    "warning: pool %s is new, and no service names it: no client comes to it "
    "(`lbctl service add NAME tcp ADDR:PORT pool %s`); the pools before: %s; if one of them was meant: "
    "`lbctl pool remove %s`\n"
)
NOBODY = "warning: pool %s: NOBODY SERVES it now"


def heard(result):
    assert result.returncode == 0, result
    return result.stderr, result.stdout


def test_a_slip_in_the_name_of_a_pool(lab):
    """A pool that a verb makes is told, and a service of nobody, which takes an address from one that is served."""
    config = "pool api { backend 127.0.0.1:9; } pool web { backend 127.0.0.1:8081; }"
    lbd = lab.lbd("attach eth0; " + config + "service web { listen 0.0.0.0:80; pool web; }")
    lab.app(8081)
    lbd.wait_state("127.0.0.1:8081", "up")
    lab.expect_workers({"8081"}, 4)

    warned, said = heard(lbd.ctl("pool", "add", "wbe", "127.0.0.1:9001", check=False))
    assert said == "added: down, nothing listens on it\n"
    assert warned == NEW % ("wbe", "wbe", "api, web", "wbe")
    assert heard(lbd.ctl("pool", "add", "wbe", "127.0.0.1:9002", check=False))[0] == ""
    lab.expect_workers({"8081"}, 4)

    words = ["service", "add", "x", "tcp", "%s:80" % HOST4, "pool", "wbe"]
    warned, said = heard(lbd.ctl(*words, check=False))
    assert NOBODY % "wbe" in warned and warned.count("\n") == 1, warned
    assert said == "added: it has the clients of %s:80 now, not service web\n" % HOST4
    with pytest.raises(ConnectionRefusedError):
        lab.get()
    # Another address of the same: whoever served there is gone, too.
    warned, said = heard(lbd.ctl("service", "add", "x", "tcp", "127.0.0.1:85", check=False))
    assert NOBODY % "wbe" in warned and said == "added\n"
    lbd.ctl("service", "remove", "x")
    lab.expect_workers({"8081"}, 4)
    warned, said = heard(lbd.ctl("service", "add", "x", "tcp", words[4], "pool", "web", check=False))
    assert warned == "" and said == "added: it has the clients of %s:80 now, not service web\n" % HOST4
    assert heard(lbd.ctl("service", "add", "web", "tcp", "127.0.0.1:80", check=False)) == ("", "added\n")


def test_the_first_backend_of_a_service_is_down(lab):
    """Of `default` a service is implied: it takes port 80."""
    lbd = lab.lbd("")
    warned, said = heard(lbd.ctl("pool", "add", "127.0.0.1:9001", check=False))
    assert NOBODY % "default" in warned and said == "added: down, nothing listens on it\n"
    assert heard(lbd.ctl("pool", "add", "127.0.0.1:9002", check=False))[0] == ""


def test_a_reload_to_nobody(lab):
    """A service that is moved to a pool of which nobody is up, and a pool whose backend is exchanged for such."""
    text = "pool a { backend 127.0.0.1:8081; } pool b { backend 127.0.0.1:%d; }"
    service = " service s { listen 0.0.0.0:80; pool %s; }"
    lab.app(8081)
    lbd = lab.lbd(text % 9 + service % "a")
    lbd.wait_state("127.0.0.1:8081", "up")
    lbd.config(text % 9 + service % "b")
    assert "NOBODY" not in heard(lbd.ctl("reread", check=False))[0]
    assert heard(lbd.ctl("reload", check=False))[0].count(NOBODY % "b") == 1
    lbd.config(text % 10 + service % "b")
    assert "NOBODY" not in heard(lbd.ctl("reload", check=False))[0]
