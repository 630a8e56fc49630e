# SPDX-License-Identifier: Apache-2.0
"""Several instances of lbd on a host, in one network namespace: what one has, the other is refused, by name."""

from lab import BUILD, DEADLINE, Namespace

FIRST = """
    pool one { backend 127.0.0.1:8081; }
    service one {
        listen 0.0.0.0:9700; listen 192.0.2.1:9701; listen [::]:9702; listen [2001:db8::1]:9703;
        pool one;
    }
"""
SECOND = "pool two { backend 127.0.0.1:8082; } service two { listen %s; pool two; }"

# What the second wants, and what of the first's is in its way.
TAKEN = {
    "0.0.0.0:9700": "0.0.0.0:9700",
    "192.0.2.1:9700": "0.0.0.0:9700",
    "192.0.2.1:9701": "192.0.2.1:9701",
    "0.0.0.0:9701": "192.0.2.1:9701",
    "[2001:db8::1]:9702": "[::]:9702",
    "[::]:9703": "[2001:db8::1]:9703",
}
FREE = ["0.0.0.0:9800", "127.0.0.1:9701", "[::]:9700", "0.0.0.0:9702", "[2001:db8::2]:9703"]


def refusal_of(first, wanted, taken):
    return "service two: %s is in use by instance %s of lbd, which serves %s: " % (
        wanted,
        first.instance,
        taken,
    )


def refused_start(lab, text, **options):
    lbd = lab.lbd(text, ready=False, **options)
    assert lbd.popen.wait(DEADLINE) == 1, lbd.output()
    return lbd.output()


def check(lab, lbd, instance):
    return lab.host.run(BUILD / "lbd", "-n", instance, "-t", "-c", lbd.conf).stderr


def test_an_address_of_another(lab):
    first = lab.lbd(FIRST)
    for wanted, taken in list(TAKEN.items())[:2]:
        assert refusal_of(first, wanted, taken) in refused_start(lab, SECOND % wanted)
    second = lab.lbd(SECOND % " ; listen ".join(FREE))
    lab.apps([8081, 8082])
    second.wait_up(1)
    for wanted, taken in TAKEN.items():
        said = refusal_of(first, wanted, taken)
        assert said in second.refused("service", "add", "two", "tcp", wanted)
        second.config(SECOND % wanted)
        assert said in second.refused("reload")
        assert said in check(lab, second, second.instance)
        assert first.instance not in check(lab, second, first.instance)
    assert refusal_of(second, "127.0.0.1:9800", "0.0.0.0:9800").replace(
        "two", "one", 1
    ) in first.refused("service", "add", "one", "tcp", "127.0.0.1:9800")
    second.config(SECOND % "0.0.0.0:9701 ; listen 0.0.0.0:9900 ; listen [::]:9702 ; listen [2001:db8::1]:9703")
    said = check(lab, second, second.instance)
    assert "; 2 more addresses of services are in use, too" in said, said
    lab.expect_workers({"8081"}, 4, port=9700)
    lab.expect_workers({"8082"}, 4, port=9800)


def test_one_that_is_dead_serves_on(lab):
    """So its addresses are its own until the next lbd of that name, which gets them."""
    first = lab.lbd(FIRST)
    first.kill()
    assert refusal_of(first, "0.0.0.0:9701", "192.0.2.1:9701") in refused_start(
        lab, SECOND % "0.0.0.0:9701"
    )
    again = first.restart()
    second = lab.lbd(SECOND % "0.0.0.0:9800")
    again.ctl("service", "remove", "one")
    second.ctl("service", "add", "two", "tcp", "0.0.0.0:9701")


def test_an_interface_of_another(lab):
    first = lab.lbd("attach eth0;" + FIRST)
    second = lab.lbd(SECOND % "0.0.0.0:9800")
    said = second.refused("attach", "eth0")
    assert "instance %s of lbd is attached there" % first.instance in said
    assert "ip link" not in said and "somebody else" not in said
    assert "lbctl -n %s detach eth0" % first.instance in said
    first.ctl("detach", "eth0")
    second.ctl("attach", "eth0")


def test_a_backend_where_another_serves(lab):
    """What lbd sends there itself, a check, would come to the other's workers."""
    first = lab.lbd(FIRST)
    text = "pool two { backend 127.0.0.1:%d; } service two { listen 0.0.0.0:9900; pool two; }"
    said = "backend: found 127.0.0.1:9700, where instance %s of lbd takes connections (0.0.0.0:9700); take another" % (
        first.instance
    )
    assert said in refused_start(lab, text % 9700)
    second = lab.lbd(text % 8082)
    assert said in second.refused("pool", "add", "two", "127.0.0.1:9700")
    second.config(text % 9700)
    assert said in second.refused("reload")
    assert said in check(lab, second, second.instance)


def test_a_service_where_another_has_a_backend(lab):
    """Also while nobody listens there: its checks would be answered by this one's workers."""
    first = lab.lbd(FIRST)
    said = (
        "service two: %%s is in use by instance %s of lbd, which has a backend at 127.0.0.1:8081: "
        "take it from there (`lbctl -n %s pool`)" % (first.instance, first.instance)
    )
    assert said % "0.0.0.0:8081" in refused_start(lab, SECOND % "0.0.0.0:8081")
    second = lab.lbd(SECOND % "0.0.0.0:9800")
    assert said % "127.0.0.1:8081" in second.refused("service", "add", "two", "tcp", "127.0.0.1:8081")
    second.config(SECOND % "127.0.0.1:8081")
    assert said % "127.0.0.1:8081" in second.refused("reload")
    first.ctl("pool", "remove", "one", "127.0.0.1:8081")
    second.ctl("service", "add", "two", "tcp", "127.0.0.1:8081")


def test_a_namespace_made_anew(lab):
    """What an lbd served in a namespace that is gone is another's in this one: its start takes nothing."""
    host, gone = lab.host, Namespace(lab.name + "o")
    lab.host = gone
    try:
        first = lab.lbd(SECOND % "0.0.0.0:9700")
        first.kill()
        gone.remove()
    finally:
        lab.host = host
    second = lab.lbd(FIRST)
    lab.apps([8081])
    second.wait_up(1)
    again = lab.lbd(None, instance=first.instance, ready=False)
    assert again.popen.wait(DEADLINE) == 1, again.output()
    assert refusal_of(second, "0.0.0.0:9700", "0.0.0.0:9700") in again.output()
    assert lab.get(port=9700).worker == "8081"
    assert second.counters()["steer_no_backend"] == 0
