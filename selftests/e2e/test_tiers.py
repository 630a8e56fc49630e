# SPDX-License-Identifier: Apache-2.0
"""The three tiers serve alike, and the one in use is said; interfaces come and go."""

import pytest
from lab import BUILD, HOST4, wait_equal, web

ALL = {"8081", "8082", "8083", "8084"}


def interfaces(lbd):
    return {i["interface"]: i["tier"] for i in lbd.json("status")["interfaces"]}


@pytest.mark.parametrize(
    "attach, tier", [("attach eth0;", "native"), ("attach eth0 generic;", "generic"), ("", "none")]
)
def test_tiers(lab, attach, tier):
    lbd = lab.lbd(web(attach=attach))
    lbd.wait_up(4)
    assert lbd.json("status")["tier"] == tier
    assert tier in lbd.ctl("status")
    assert interfaces(lbd) == ({"eth0": tier} if attach else {})
    shown = lab.host.ip("link", "show", "eth0").stdout
    assert ("xdpgeneric" in shown, " xdp " in shown) == (tier == "generic", tier == "native"), shown
    n = len(lab.expect_workers(ALL, 40))
    counters = lbd.counters()
    if attach:
        assert (counters["ingress_chosen"], counters["steer_handed_over"]) == (n, n)
        assert counters["steer_chosen"] == 0
    else:
        assert (counters["ingress_chosen"], counters["steer_chosen"]) == (0, n)


def bridge(lab, device="br0"):
    """Puts the host's address on a bridge, whose driver has no native XDP."""
    lab.host.ip("link", "add", device, "type", "bridge")
    lab.host.ip("address", "flush", "dev", "eth0")
    lab.host.ip("link", "set", "eth0", "master", device)
    lab.host.ip("address", "add", HOST4 + "/24", "dev", device)
    lab.host.ip("link", "set", device, "up")


def test_no_native_falls_back_and_says_so(lab):
    bridge(lab)
    lbd = lab.lbd(web(attach="attach br0;"))
    lbd.wait_up(4)
    status = lbd.json("status")
    assert status["tier"] == "generic"
    assert status["interfaces"][0]["note"]
    assert "br0: GENERIC XDP" in lbd.output()
    lab.expect_workers(ALL, 20)
    assert lbd.counters()["steer_handed_over"] >= 20


def test_native_demanded_where_there_is_none(lab):
    bridge(lab)
    lbd = lab.lbd(web("8081", attach=""))
    said = lbd.refused("attach", "br0", "native")
    assert "br0" in said and "native" in said
    assert interfaces(lbd) == {}
    lbd.ctl("attach", "br0", "generic")
    assert interfaces(lbd) == {"br0": "generic"}


def test_unknown_interface_is_refused(lab):
    lbd = lab.lbd()
    said = lbd.refused("attach", "eth7")
    assert "eth7" in said and "eth0" in said  # what is there is named
    assert lbd.json("status")["interfaces"] == []
    assert "eth7" not in lbd.ctl("status")


@pytest.mark.parametrize("program", ["lbd", "lbctl"])
def test_check_warns_of_one_that_is_not_there(lab, program):
    path = lab.path / "checked.conf"
    path.write_text("attach eth0;\nattach eth7;\n" + web("8081", attach=""))
    words = ["-t", "-c", path] if program == "lbd" else ["check", path]
    result = lab.host.run(BUILD / program, *words)
    assert "good: 1 services, 1 pools" in result.stdout
    assert result.stderr == (
        "%s: warning: %s:2:1: attach: interface eth7 is not there now; it is attached when it "
        "appears\n" % (program, path)
    )


def test_a_name_of_any_bytes(lab):
    lbd = lab.lbd()
    lbd.conf.write_bytes(b'attach "e\xff";')
    changes = lbd.json("reload")["changes"]
    assert changes[-1] == "interface e\ufffd: waits for the interface to appear"
    assert interfaces(lbd) == {"e\ufffd": "none"}
    assert "\ninterfaces  e?  none" in lbd.ctl("status")


def test_a_name_that_is_too_long(lab):
    lbd = lab.lbd()
    assert "has up to 15" in lbd.refused("attach", "x" * 16)
    assert "there is none" in lbd.refused("attach", "x" * 15)
    lbd.config("attach %s;" % ("x" * 16))
    assert "found \"%s\", which has 16 characters" % ("x" * 16) in lbd.refused("reload")


def test_configured_interface_is_waited_for(lab):
    lbd = lab.lbd(web("8081-8082", attach=""))
    lbd.wait_up(2)
    lbd.config(web("8081-8082", attach="attach eth7;"))
    for verb in ("reread", "reload"):
        assert lbd.ctl(verb) == "interface eth7: waits for the interface to appear\n"
    assert "eth7" in lbd.output()
    assert "it is attached when it appears" in lbd.refused("attach", "eth7")
    assert interfaces(lbd) == {"eth7": "none"}
    lab.host.ip("link", "set", "eth0", "down")
    lab.host.ip("link", "set", "eth0", "name", "eth7")
    lab.host.ip("link", "set", "eth7", "up")
    wait_equal(lambda: interfaces(lbd), {"eth7": "native"})


def test_vanishes_and_returns(lab):
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    lab.expect_workers({"8081", "8082"}, 8)
    lab.host.ip("link", "delete", "eth0")
    wait_equal(lambda: interfaces(lbd), {"eth0": "none"})
    lab.join()
    wait_equal(lambda: interfaces(lbd), {"eth0": "native"})
    before = lbd.counters()["steer_handed_over"]
    lab.expect_workers({"8081", "8082"}, 8)
    assert lbd.counters()["steer_handed_over"] >= before + 8


def test_another_program_is_refused_and_left(lab):
    """Here another instance's; for anybody else's see test_foreign of test_datapath.c."""
    other = lab.lbd(web("8091", listen=["0.0.0.0:81"]))
    other.wait_up(1)
    lbd = lab.lbd(web("8081", attach=""))
    lbd.wait_up(1)
    said = lbd.refused("attach", "eth0")
    assert "eth0: instance %s of lbd is attached there" % other.instance in said, said
    assert interfaces(other) == {"eth0": "native"}
    assert lab.get(port=81).worker == "8091"
    # Free again, it can be had.
    other.ctl("detach", "eth0")
    lbd.ctl("attach", "eth0")
    assert interfaces(lbd) == {"eth0": "native"}
