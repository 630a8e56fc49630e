# SPDX-License-Identifier: Apache-2.0
"""A deployment of nginx and supervisor (migrate/) becomes one of lbd by one command."""

import re

from lab import APP, BUILD, HERE, PYTHON
from system import run

FILES = [HERE / "migrate" / "nginx.conf", HERE / "migrate" / "supervisord.conf"]
PORTS = {"8081", "8082", "8083", "8084"}


def carried_over():
    return run(BUILD / "lbctl", "import", *FILES).stdout


def entries(path):
    """(line number, first word) of what a reader would call a setting."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        word = re.match(r"\s*([\w.:]+)", line)
        if word and not re.match(r"\s*[#;]", line):
            yield number, word.group(1)


def with_paths_of_here(lab):
    text = carried_over()
    text = re.sub(r"/opt/bin/python \S+/server.py", "%s %s" % (PYTHON, APP), text)
    text = re.sub(r"python /var/www/site/serv.py ", "%s %s --port=" % (PYTHON, APP), text)
    # Files of these directories, and no path through them: the checkout may lie below /tmp.
    return re.sub(r"(?<![\w/])(/opt/logs|/tmp)/(?=[^/]*$)", "%s/" % lab.path, text, flags=re.M)


def test_the_result_is_a_configuration(lab):
    path = lab.path / "imported.conf"
    path.write_text(carried_over())
    refused = run(BUILD / "lbctl", "check", path, check=False)
    assert refused.returncode == 1 and "command /opt/bin/python: No such file" in refused.stderr
    path.write_text(with_paths_of_here(lab))
    assert run(BUILD / "lbd", "-t", "-c", path).returncode == 0
    assert "good: 1 services, 2 pools" in run(BUILD / "lbctl", "check", path).stdout


def test_no_line_is_lost_without_a_word():
    text = carried_over()
    # What has become a directive of lbd; each other line is named, with its number.
    became = set(
        "http upstream server listen location proxy_pass events logfile logfile_maxbytes "
        "logfile_backups pidfile minfds minprocs umask directory command numprocs numprocs_start "
        "autostart autorestart redirect_stderr stdout_logfile startsecs stopwaitsecs".split()
    )
    for path in FILES:
        for number, word in entries(path):
            assert word in became or "%s:%d:" % (path, number) in text, (path, number, word)
    assert "[program:Nginx]: lbd takes the place of nginx" in text


def test_the_result_serves_once_its_paths_are_right(lab):
    lbd = lab.lbd("attach eth0;\n" + with_paths_of_here(lab))
    lbd.wait_up(8)
    lab.expect_workers(PORTS, 60)
    assert set(lbd.workers()) == {"myweb:%s" % p for p in PORTS} | {
        "web:%d" % p for p in range(8001, 8005)
    }


def test_what_is_neither_is_refused(lab):
    path = lab.path / "letter.txt"
    path.write_text("Dear nginx,\nplease serve.\n")
    result = run(BUILD / "lbctl", "import", path, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert str(path) in result.stderr and result.stderr.count("\n") == 1, result.stderr
