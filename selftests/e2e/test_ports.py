# SPDX-License-Identifier: Apache-2.0
"""lbd's own sockets are in nobody's way, also where the kernel draws ports from those of the workers."""

from lab import web


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
