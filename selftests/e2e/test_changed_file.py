# SPDX-License-Identifier: Apache-2.0
"""The file has changed when lbd comes back: what was in force goes on first."""

import pytest
from lab import alive, wait_equal, wait_until, web


def come_back(lbd, how):
    """Without touching the file; returns lbd, and what it says from then on."""
    before = len(lbd.output())
    if how == "reexec":
        lbd.ctl("reexec")
        return lbd, lambda: lbd.output()[before:]
    lbd.kill()
    again = lbd.restart_as_is()
    return again, again.output


def change(lbd, text):
    lbd.conf.write_text(lbd.conf.read_text().partition("\n")[0] + "\n" + text + "\n")


WAITS = "has changed: it waits for `lbctl reload`"
REFUSED = {
    "emptied": (lambda lbd: lbd.conf.write_text(""), "found no service"),
    "mistaken": (lambda lbd: change(lbd, web() + "pool slip {"), 'inside "pool"'),
    "gone": (lambda lbd: lbd.conf.unlink(), "No such file"),
}


@pytest.mark.parametrize("how", ["kill", "reexec"])
@pytest.mark.parametrize("what", REFUSED)
def test_what_reload_refuses(lab, what, how):
    """It is not put in force by a death either; what lbctl has changed stays."""
    lbd = lab.lbd(web("8081-8082"))
    lbd.wait_up(2)
    lbd.ctl("pool", "add", "new", "127.0.0.1:9005")
    pids = lbd.pids()
    held = [lab.hold() for _ in range(4)]
    load = lab.load(rate=50)
    load.wait_count(20)
    spoil, why = REFUSED[what]
    spoil(lbd)
    lbd, said = come_back(lbd, how)
    assert (WAITS if how == "reexec" else why) in said()
    assert lbd.pids() == pids
    assert {p["pool"] for p in lbd.json("pool")} == {"web", "new"}
    lbd.wait_up(2, "web")
    load.wait_count(50)
    assert {r.outcome for r in load.stop()} == {"ok"}
    assert all(c.get().worker == c.worker for c in held)
    assert why in lbd.refused("reload")


@pytest.mark.parametrize("how", ["kill", "reexec"])
def test_workers_that_go_are_drained(lab, how):
    """By the reload after a death, or by the one that a reexec waits for."""
    lbd = lab.lbd(web())
    lbd.wait_up(4)
    pids = lbd.pids()
    held = [lab.hold() for _ in range(8)]
    change(lbd, web("8081-8082"))
    lbd, said = come_back(lbd, how)
    if how == "reexec":
        assert WAITS in said()
        assert lbd.pids() == pids
        lbd.ctl("reload")
    else:
        assert "it is in force now, as by `lbctl reload`" in said()
        assert "8084" in said()  # the difference
    assert all(c.get().pid == pids["web:" + c.worker] for c in held)
    lab.expect_workers({"8081", "8082"}, 8)
    for connection in held:
        connection.close()
    wait_equal(lbd.pids, {n: p for n, p in pids.items() if n in ("web:8081", "web:8082")})
    wait_until(lambda: not alive(pids["web:8083"]) and not alive(pids["web:8084"]), "they end")
