# SPDX-License-Identifier: Apache-2.0
"""A program that comes to listen where lbd serves already: the kernel lets it, and it gets nothing."""

from lab import HOST4, wait_until, web


def notes(lbd):
    return {s["service"]: s.get("note", "") for s in lbd.json("service")}


def test_it_is_named(lab):
    lbd = lab.lbd(web("8081-8082") + "pool other { } service other { listen 0.0.0.0:81; pool other; }")
    lbd.wait_up(2, "web")
    assert notes(lbd) == {"web": "", "other": ""} and not lbd.json("status")["also_listened"]
    late = lab.app(80, "--address=0.0.0.0")
    said = "port 80 is also listened on by python3 (pid %d, user root)" % late.pid
    said += ": it gets no connection to 0.0.0.0:80 while lbd serves there"
    assert notes(lbd) == {"web": said, "other": ""}
    assert lbd.json("status")["also_listened"] == ["web"]
    assert "OTHERS LISTEN THERE, TOO: web;" in lbd.ctl("status") and said in lbd.ctl("service")
    lab.expect_workers({"8081", "8082"}, 4)
    assert lbd.output().count("service web: " + said) == 1
    lbd.ctl("reload")
    late.stop()
    wait_until(lambda: notes(lbd)["web"] == "", lambda: notes(lbd))
    assert lbd.output().count("service web: port 80 is also listened on") == 1


def test_its_own_workers_are_none(lab):
    """Also one that listens at any address, on the port of a service of another address."""
    lbd = lab.lbd(
        web("8081", words="--address=0.0.0.0")
        + "pool far { backend 127.0.0.1:8082; } service far { listen 192.0.2.1:8081; pool far; }"
    )
    lbd.wait_up(1, "web")
    assert notes(lbd) == {"web": "", "far": ""}


def test_a_backend_of_that_port_is_another(lab):
    """Who listens at any address is not the backend of one address, and would get no client any more."""
    server = lab.app(80, "--address=0.0.0.0")
    refused = "service web: %s:80 is in use by python3 (pid %d)" % (HOST4, server.pid)
    config = "pool web { backend 127.0.0.1:80; } service web { listen %s:80; pool web; }" % HOST4
    lbd = lab.lbd("pool web { backend 127.0.0.1:80; }")
    assert refused in lbd.refused("service", "add", "web", "tcp", "%s:80" % HOST4, "pool", "web")
    lbd.config(config)
    assert refused in lbd.refused("reload")
    assert lab.get().worker == "80"
