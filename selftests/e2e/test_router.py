# SPDX-License-Identifier: Apache-2.0
"""
A host that routes: what it forwards is not its own, whatever services it has on any address.

    client 192.0.2.2  <- eth0 ->  host  <- far0 ->  server 198.51.100.2, 2001:db8:f::2
"""

import socket

import pytest
from lab import APP, HOST4, HOST6, PYTHON, Lab, used, wait_until
from network import Namespace, wire

SERVER4, SERVER6 = "198.51.100.2", "2001:db8:f::2"
NEAR4, NEAR6 = "198.51.100.1", "2001:db8:f::1"  # the host's, on that side
DENIES_ALL = """
    attach eth0 %s;
    pool web { backend 127.0.0.1:8081; backend [::1]:8081; }
    service web { listen 0.0.0.0:80; listen [::]:80; pool web; deny all; }
"""


class Routed(Lab):
    """With a third namespace, and the host on the way to it."""

    server = None

    def _wire(self):
        super()._wire()
        self.server = Namespace(self.name + "s")
        wire((self.host, "far0", NEAR4, NEAR6), (self.server, "near0", SERVER4, SERVER6))
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for space, v4, v6 in ((self.client, HOST4, HOST6), (self.server, NEAR4, NEAR6)):
            space.ip("route", "add", "default", "via", v4)
            space.ip("-6", "route", "add", "default", "via", v6)

    def serve(self, address):
        """The application on port 80 of the third namespace."""
        command = (PYTHON, APP, "--port=80", "--address=" + address)
        log = "far-%d.log" % len(self.processes)
        self.process(*command, log=log, namespace=self.server).wait_output("^listening")

    def dropped(self, lbd, address, counter="ingress_denied"):
        """Does ingress drop a first segment to it?  Else it is passed up, and counted so."""
        before = lbd.counters()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.client.socket(family) as sock:
            sock.setblocking(False)
            sock.connect_ex((address, 80))
            wait_until(lambda: any(_more(lbd, before, c) for c in (counter, "ingress_not_local")))
        return _more(lbd, before, counter)

    def close(self):
        left = super().close()
        if self.server:
            self.server.remove()
        return left


def _more(lbd, before, counter):
    return lbd.counters()[counter] > before[counter]


@pytest.fixture
def lab(tmp_path):
    with used(Routed(tmp_path)) as here:
        yield here


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_access_rules(lab, mode):
    """They are for connections to this host, on each of its addresses, and to no other."""
    for address in (SERVER4, SERVER6):
        lab.serve(address)
    lbd = lab.lbd(DENIES_ALL % mode)
    for address in (SERVER4, SERVER6):
        assert lab.get(host=address).worker == "80"
    counters = lbd.counters()
    assert counters["ingress_not_local"] >= 2  # more when a first segment is sent again
    assert counters["ingress_denied"] == 0
    for address in (HOST4, HOST6, NEAR4, NEAR6):
        assert lab.dropped(lbd, address)


def test_full_pool(lab):
    lab.serve(SERVER4)
    lab.app(8081)
    lbd = lab.lbd(
        "attach eth0; pool web { backend 127.0.0.1:8081 max_connections 1; }"
        "service web { listen 0.0.0.0:80; pool web; }"
    )
    lbd.wait_up(1)
    lab.hold()
    assert lab.get(host=SERVER4).worker == "80"
    assert lab.dropped(lbd, HOST4, "ingress_max_connections")


def test_prefixes_of_the_hosts_own(lab):
    """`ip route add local` makes them so, at once, and for the next lbd as well."""
    lbd = lab.lbd(DENIES_ALL % "native")
    own = (("-4", "203.0.113.0/24", "203.0.113.9"), ("-6", "2001:db8:a::/48", "2001:db8:a::9"))
    for family, prefix, address in own:
        assert not lab.dropped(lbd, address)
        lab.host.ip(family, "route", "add", "local", prefix, "dev", "lo")
        wait_until(lambda: lab.dropped(lbd, address), prefix)
    lbd.kill()
    lab.host.ip("route", "del", "local", own[0][1], "dev", "lo")
    lbd = lbd.restart()
    assert not lab.dropped(lbd, own[0][2])
    assert lab.dropped(lbd, own[1][2])
