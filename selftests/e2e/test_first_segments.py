# SPDX-License-Identifier: Apache-2.0
"""
First segments that the client's kernel would not send so: what is chosen for one must not open to another
what is denied, full, or another pool's.
"""

import os
import re
import socket
import struct
import time

import pytest
from lab import HOST4, wait_until, web

STRANGER = "192.0.2.100"  # nobody's: no kernel resets what it is answered
SYN, RST, ACK = 2, 4, 16
COUNT, LIMIT = 30, 5
FORGOTTEN_S = 0.2  # what ingress chose is followed for a sixteenth of a second


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(space, device):
    text = re.search(r"ether (\S+)", space.ip("link", "show", device).stdout).group(1)
    return bytes.fromhex(text.replace(":", ""))


class Stranger:
    """Sends frames from an address of its own, and on one CPU: each has what was chosen on it."""

    def __init__(self, lab):
        cpus = os.sched_getaffinity(0)
        lab.closers.append(lambda: os.sched_setaffinity(0, cpus))
        os.sched_setaffinity(0, {min(cpus)})
        self.to, self.me = mac(lab.host, "eth0"), mac(lab.client, "veth0")
        lab.host.ip("neigh", "replace", STRANGER, "lladdr", self.me.hex(":"), "dev", "eth0")
        self.socket = lab.client.socket(
            socket.AF_PACKET, kind=socket.SOCK_RAW, protocol=socket.htons(0x0800)
        )
        lab.closers.append(self.socket.close)
        self.socket.bind(("veth0", 0x0800))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def segment(self, client_port, flags, sequence=1000, ack=0, broken=False):
        options = b"\x02\x04\x05\xb4" if flags == SYN else b""
        size = 20 + len(options)
        fields = (client_port, 80, sequence, ack, size // 4 << 4, flags, 64240, 0, 0)
        segment = struct.pack("!HHIIBBHHH", *fields) + options
        pseudo = socket.inet_aton(STRANGER) + socket.inet_aton(HOST4)
        right = checksum(pseudo + struct.pack("!BBH", 0, 6, size) + segment)
        return segment[:16] + struct.pack("!H", right ^ broken) + segment[18:]

    def packet(self, payload, fragment=0, name=0):
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), name, fragment, 64, 6, 0)
        head += socket.inet_aton(STRANGER) + socket.inet_aton(HOST4)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        self.socket.send(self.to + self.me + b"\x08\x00" + head + payload)

    def plant(self, client_port):
        """What the stack drops, after ingress has chosen for it."""
        self.packet(self.segment(client_port, SYN, broken=True))

    def fragments(self, client_port):
        """What the stack puts together, and ingress does not see."""
        segment = self.segment(client_port, SYN)
        self.packet(segment[:16], 0x2000, client_port)
        self.packet(segment[16:], 2, client_port)

    def syn(self, client_port):
        self.packet(self.segment(client_port, SYN))

    def ack(self, client_port, sequence):
        self.packet(self.segment(client_port, ACK, 1001, (sequence + 1) & 0xFFFFFFFF))

    def answers(self, count, deadline_s=10):
        """{client port: sequence} of SYN-ACKs, until there are so many."""
        found, end = {}, time.monotonic() + deadline_s
        while len(found) < count and time.monotonic() < end:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                frame = self.socket.recv(2048)
            except socket.timeout:
                break
            if frame[26:34] != socket.inet_aton(HOST4) + socket.inet_aton(STRANGER):
                continue
            _, client_port, sequence, _ = struct.unpack("!HHII", frame[34:46])
            if frame[47] & (SYN | ACK) == SYN | ACK:
                found[client_port] = sequence
        return found


def counted(lbd, names):
    counters = lbd.counters()
    return sum(counters[name] for name in names)


def wait_counted(lbd, count, *names):
    wait_until(lambda: counted(lbd, names) >= count, lambda: (names, lbd.counters()))


def plant_all(lbd, stranger):
    for client_port in range(20000, 20000 + COUNT):
        stranger.plant(client_port)
    wait_counted(lbd, COUNT, "ingress_chosen")


def send_all(lbd, send, *reasons):
    for client_port in range(20000, 20000 + COUNT):
        send(client_port)
    wait_counted(lbd, COUNT, *reasons)


def test_denied_since(lab):
    lbd = lab.lbd(web("8081"))
    lbd.wait_up(1)
    stranger = Stranger(lab)
    plant_all(lbd, stranger)
    time.sleep(FORGOTTEN_S)
    lbd.config(web("8081").replace("pool web; }", "pool web; deny %s; }" % STRANGER))
    lbd.ctl("reload")
    send_all(lbd, stranger.fragments, "steer_denied", "steer_handed_over")
    assert lbd.counters()["steer_handed_over"] == 0
    assert not stranger.answers(1, deadline_s=0.1)


def test_another_pools_since(lab):
    """The id of a backend that has gone is the next one's, in whatever pool."""
    config = "attach eth0; pool public { %s } service public { listen 0.0.0.0:80; }"
    config += "pool inner { %s } service inner { listen 0.0.0.0:81; allow 192.0.2.9; }"
    lab.apps((9001, 9002))
    lbd = lab.lbd(config % ("backend 127.0.0.1:9001;", ""))
    lbd.wait_up(1, "public")
    stranger = Stranger(lab)
    plant_all(lbd, stranger)
    lbd.config(config % ("", ""))
    lbd.ctl("reload")
    wait_until(lambda: not os.listdir("/run/lbd/%s/leaving" % lbd.instance), "its id is free")
    lbd.config(config % ("", "backend 127.0.0.1:9002;"))
    lbd.ctl("reload")
    lbd.wait_up(1, "inner")
    send_all(lbd, stranger.fragments, "steer_no_backend", "steer_handed_over")
    assert lbd.counters()["steer_handed_over"] == 0
    assert not stranger.answers(1, deadline_s=0.1)


@pytest.mark.parametrize("forget", [False, True])
def test_limit_by_what_was_chosen_before(lab, forget):
    lbd = lab.lbd(web("8081", pool="max_connections %d;" % LIMIT))
    lbd.wait_up(1)
    stranger = Stranger(lab)
    plant_all(lbd, stranger)
    if forget:
        time.sleep(FORGOTTEN_S)
    send_all(
        lbd, stranger.fragments, "steer_max_connections", "steer_handed_over", "steer_chosen"
    )
    assert counted(lbd, ("steer_handed_over", "steer_chosen")) == LIMIT


@pytest.mark.parametrize("attach", ["", "attach eth0;"])
def test_limit_by_cookies(lab, attach):
    """Nothing counts a handshake that a cookie stands for: the limit is kept as they come back."""
    lab.host.run("sysctl", "-qw", "net.ipv4.tcp_syncookies=2")
    lbd = lab.lbd(web("8081", pool="max_connections %d;" % LIMIT, attach=attach))
    lbd.wait_up(1)
    stranger = Stranger(lab)
    send_all(lbd, stranger.syn, "steer_handed_over", "steer_chosen")
    cookies = stranger.answers(COUNT)
    assert len(cookies) == COUNT
    for client_port, sequence in cookies.items():
        stranger.ack(client_port, sequence)
    wait_counted(lbd, COUNT, "steer_cookie", "steer_max_connections")
    assert lbd.counters()["steer_cookie"] == LIMIT
    assert list(lbd.active().values()) == [LIMIT]
