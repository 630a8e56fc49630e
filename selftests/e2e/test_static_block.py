# SPDX-License-Identifier: Apache-2.0
"""A `static` block: lbstatic as a pool and its service, with its rules, through rolls and reloads."""

import json
import os
import pathlib
import pwd
import re
import shutil
import struct
import tempfile

import pytest
from lab import BUILD, CLIENT4, HOST6, alive, wait_equal, wait_until

PORTS = ("8081", "8082")


@pytest.fixture
def site(lab):
    root = lab.path / "www"
    for name in ("index.html", "a.css", "private/a.txt", "staff/a.txt", "app/index.html"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def configuration(lab, site, more=""):
    return """
        attach eth0;
        static web {
            listen 0.0.0.0:80; listen [::]:80; ports 8081-8082; root %s;
            header_everywhere "X-Worker: $port";
            header *.css "Cache-Control: s-maxage=20";
            deny %s /private;
            allow 10.0.0.0/8 /staff;
            fallback /app /app/index.html;
            access_log %s/$port.log json;
            counters %s/$port.counters;
            %s
        }""" % (site, CLIENT4, lab.path, lab.path, more)


def counters(lab, port):
    data = (lab.path / (port + ".counters")).read_bytes()
    return {name.rstrip(b"\0").decode(): value for name, value in struct.iter_unpack("24sQ", data)}


def logged(lab, port, name=".log"):
    path = lab.path / (port + name)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# path, status, body (None: whatever is said)
ROWS = [
    ("/", 200, "index.html"),
    ("/private/a.txt", 403, None),
    ("/staff/a.txt", 403, None),
    ("/app/any/where", 200, "app/index.html"),
    ("/none", 404, None),
]


@pytest.fixture
def open_place():
    """A directory on whose way is none that is root's alone."""
    path = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_check_looks_as_its_user(lab, open_place):
    """What root may read and write, its user may not: it was called good, and never started."""
    site, logs = open_place / "www", open_place / "log"
    for path in (site, logs):
        path.mkdir(mode=0o755)
    text = configuration(lab, site, "user nobody;")
    for name in ("$port.log", "$port.counters"):
        text = text.replace("%s/%s" % (lab.path, name), "%s/%s" % (logs, name))
    path = lab.path / "checked.conf"
    path.write_text(text)

    def check(program):
        return lab.host.run(*program, path, check=False).stderr

    for program in ([BUILD / "lbctl", "check"], [BUILD / "lbd", "-t", "-c"]):
        site.chmod(0o700)
        said = check(program).splitlines()
        wanted = ["root %s:" % site]
        for port in (8081, 8082):
            wanted += ["access_log %s/%d.log:" % (logs, port), "counters %s/%d.counters:" % (logs, port)]
        assert len(said) == len(wanted), said
        for words in wanted:
            (line,) = (line for line in said if words in line)
            assert ": user nobody: Permission denied; let that user " in line, said
        site.chmod(0o755)
        os.chown(logs, pwd.getpwnam("nobody").pw_uid, -1)
        assert check(program) == ""
        (logs / "8081.log").touch(0o644)
        (line,) = check(program).splitlines()
        assert "access_log %s/8081.log: user nobody: Permission denied" % logs in line
        (logs / "8081.log").unlink()
        os.chown(logs, 0, 0)


def test_check_enters_as_the_user(lab, open_place):
    """A directory, and a program, that root may use and the worker's user may not."""
    inner = open_place / "inner"
    inner.mkdir()
    program = inner / "serve"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = lab.path / "checked.conf"
    worker = "pool web { worker { command '%s $port'; ports 8081; user nobody; %s } }"
    for mode, command, more, said in (
        (0o700, program, "", "command %s: user nobody: Permission denied" % program),
        (0o700, "true", "directory %s;" % inner, "directory %s: user nobody: Perm" % inner),
        (0o700, program, "capabilities DAC_OVERRIDE;", None),
        (0o755, program, "directory %s;" % inner, None),
    ):
        inner.chmod(mode)
        path.write_text(worker % (command, more))
        result = lab.host.run(BUILD / "lbctl", "check", path, check=False)
        assert said in result.stderr if said else "nobody" not in result.stderr, result.stderr


def test_rules(lab, site):
    lbd = lab.lbd(configuration(lab, site))
    lbd.wait_up(2)
    for path, status, body in ROWS:
        answer = lab.get(path)
        assert answer.status == status and body in (None, answer.body), path
    assert lab.get("/a.css").headers["cache-control"] == "s-maxage=20"
    assert "cache-control" not in lab.get("/").headers
    assert lab.get("/", host=HOST6).body == "index.html"
    lab.expect_workers(set(PORTS), 40)
    asked = len(ROWS) + 3 + 40
    wait_equal(lambda: sum(counters(lab, port)["requests"] for port in PORTS), asked)
    lines = lambda: [line for port in PORTS for line in logged(lab, port)]
    wait_equal(lambda: len(lines()), asked)  # they are written apart from the answers
    assert {line["client"] for line in lines()} >= {CLIENT4}
    assert sum(counters(lab, port)["responses_4xx"] for port in PORTS) == 3


def test_roll_and_reload_under_load(lab, site):
    lbd = lab.lbd(configuration(lab, site))
    lbd.wait_up(2)
    before = lbd.pids()
    load = lab.load(rate=80)
    load.wait_count(40)
    lbd.ctl("roll", "web", "wait", timeout=120)
    rolled = lbd.pids()
    assert not set(rolled.values()) & set(before.values())

    lbd.config(configuration(lab, site, "expires * 1h;"))
    lbd.ctl("reload")
    wait_until(lambda: not any(map(alive, rolled.values())), "workers without the new rule end")
    lbd.wait_up(2)
    assert lab.get("/").headers["cache-control"] == "max-age=3600"
    load.wait_count(40)
    assert {r.outcome for r in load.stop()} == {"ok"}


def test_rotation_of_its_log(lab, site):
    lbd = lab.lbd(configuration(lab, site))
    lbd.wait_up(2)
    lab.workers_seen(20)
    for port in PORTS:
        wait_until(lambda port=port: logged(lab, port))
        (lab.path / (port + ".log")).rename(lab.path / (port + ".old"))
    lbd.ctl("signal", "web:*", "USR1")
    for port in PORTS:
        wait_until((lab.path / (port + ".log")).exists, "it opens its log anew")
    lab.workers_seen(20)
    for name in (".old", ".log"):
        wait_equal(lambda name=name: sum(len(logged(lab, port, name)) for port in PORTS), 20)


def test_a_root_that_is_not_there_is_refused(lab, site):
    lbd = lab.lbd(configuration(lab, site))
    lbd.wait_up(2)
    lbd.config(configuration(lab, site / "none"))
    assert "pool web: root %s: No such file" % (site / "none") in lbd.refused("reload")
    assert lab.get("/").status == 200


# what is added, lbstatic's word on it
NOT_UNDERSTOOD = [
    ('header *.css "Cache-Control max-age=20";', 'header: found .*, allowed: "Name: value"'),
    ("expires *.css 3600;", "expires: found '3600', allowed: off, or a duration"),
    ("error_page 404 x;", "error_page: found 'x', allowed: a path from the root"),
    ("connections many;", "connections: found 'many', allowed: a number"),
]


@pytest.mark.parametrize("line, said", NOT_UNDERSTOOD)
def test_what_lbstatic_does_not_understand_is_refused(lab, site, line, said):
    """By a check, and by a reload before a worker that serves is stopped."""
    lbd = lab.lbd(configuration(lab, site))
    lbd.wait_up(2)
    before = lbd.pids()
    lbd.config(configuration(lab, site, line))
    for words in (("check", str(lbd.conf)), ("reload",)):
        assert re.search("pool web: " + said, lbd.refused(*words)), words
    assert lbd.pids() == before
    assert lab.get("/").status == 200


def test_a_file_of_rules_is_not_waited_for(lab, site):
    """lbstatic as a worker of somebody's: neither a check nor lbd opens what is that one's, a FIFO here."""
    os.mkfifo(site / "rules")
    command = "%s -c %s -r %s -l 127.0.0.1:$port" % (BUILD / "lbstatic", site / "rules", site)
    text = 'pool web { worker { command "%s"; ports 8081; user nobody; autostart off; } }' % command
    lbd = lab.lbd(text)
    lbd.ctl("check", str(lbd.conf))
    lbd.config(text + "\npool more { }\n")
    lbd.ctl("reload")
    assert lbd.json("status")["pools"] == 2
