# SPDX-License-Identifier: Apache-2.0
"""What is written well and serves nobody on this host, or would not start there, is warned of."""

import pytest
from lab import BUILD, PYTHON

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
