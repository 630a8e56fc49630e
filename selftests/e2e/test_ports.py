# SPDX-License-Identifier: Apache-2.0
"""lbd's own sockets are in nobody's way, also where the kernel draws ports from those of the workers."""

import pytest
from lab import BUILD, wait_until, web


def narrow(lab, first, last):
    """What the kernel draws from where nobody asks for a port."""
    lab.host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=%d %d" % (first, last))


def test_no_port_is_lbds(lab):
    """There are but as many ports as workers."""
    narrow(lab, 8081, 8082)
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    lbd.config(web("8081-8082"))
    lbd.ctl("reload")
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 4)


def test_no_check_comes_from_a_workers_port(lab):
    """Rather it fails, and says why; what a person changes is heard of by a reload."""
    narrow(lab, 8081, 8082)
    lbd = lab.lbd(web("8081-8082", pool="health { tcp; interval 50ms; rise 1; fall 1; }"))
    for port in (8081, 8082):
        address = "127.0.0.1:%d" % port
        wait_until(lambda: "ip_local_port_range" in lbd.backend(address)["note"], lbd.pool)
    narrow(lab, 8081, 9081)
    lbd.ctl("reload")
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 4)


CHECKED = [
    ("as they are by default", "32768 60999", "", None),
    ("all of them", "1024 65535", "", "ports 8081-8084"),
    ("some of them", "8083 9000", "", "ports 8083-8084"),
    ("one of them", "8084 9000", "", "port 8084"),
    ("all reserved", "1024 65535", "8080-8084", None),
    ("some reserved", "1024 65535", "8081,8083", "ports 8082-8084"),
]


@pytest.mark.parametrize("program", ["lbd", "lbctl"])
def test_check_warns(lab, program):
    path = lab.path / "checked.conf"
    path.write_text(web("8081-8084"))
    command = ["lbd", "--test", "-c", path] if program == "lbd" else ["lbctl", "check", path]
    for name, drawn, reserved, wanted in CHECKED:
        lab.host.run(
            "sysctl",
            "-qw",
            "net.ipv4.ip_local_port_range=" + drawn,
            "net.ipv4.ip_local_reserved_ports=" + reserved,
        )
        result = lab.host.run(BUILD / command[0], *command[1:])
        assert "good: 1 services, 1 pools" in result.stdout, name
        warned = result.stderr.splitlines()
        if wanted is None:
            assert warned == [], name
            continue
        assert len(warned) == 1, name
        assert warned[0].startswith(program + ": warning: pool web: "), name
        assert wanted + " can be taken" in warned[0], name
        assert "add %s to net.ipv4.ip_local_reserved_ports" % wanted.split()[1] in warned[0], name


# Ports, words of the worker, what the first unprivileged port is; is it warned of?
PRIVILEGED = [
    ("80-83", "user www-data;", 1024, True),
    ("80-83", "", 1024, False),
    ("80-83", "capabilities none;", 1024, True),
    ("80-83", "user www-data; capabilities NET_BIND_SERVICE;", 1024, False),
    ("80-83", "user www-data; listen inherit;", 1024, False),
    ("80-83", "user www-data;", 80, False),
    ("1024", "user www-data;", 1024, False),
    ("1024", "user www-data;", 1025, True),
]


@pytest.mark.parametrize("program", ["lbd", "lbctl"])
def test_check_warns_of_ports_that_are_not_given(lab, program):
    path = lab.path / "checked.conf"
    command = ["lbd", "--test", "-c", path] if program == "lbd" else ["lbctl", "check", path]
    for ports, words, first, warned in PRIVILEGED:
        path.write_text("pool web { worker { command /bin/true; ports %s; %s } }" % (ports, words))
        lab.host.run("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=%d" % first)
        result = lab.host.run(BUILD / command[0], *command[1:])
        assert "good: 0 services, 1 pools" in result.stdout
        assert ("CAP_NET_BIND_SERVICE alone" in result.stderr) == warned, (ports, words, first)
