# SPDX-License-Identifier: Apache-2.0
"""A blocked event loop: its accept queue says so, and least_load stays away."""

from lab import web


def waited_behind(lab, scheduler):
    """Requests that came to the blocked worker while it slept, and all that came then."""
    lbd = lab.lbd(web(pool="scheduler %s;" % scheduler))
    lbd.wait_up(4)
    load = lab.load(rate=100)
    load.wait_count(40)
    blocker = lab.load("burst", count=1, path="/block?s=2")
    blocked = blocker.finish()[0]
    load.wait_count(20)
    records = load.stop()
    assert {r.outcome for r in records} == {"ok"} and blocked.outcome == "ok"
    during = [r for r in records if blocked.connected + 0.1 < r.opened < blocked.end - 0.1]
    assert len(during) > 100
    return len([r for r in during if r.worker == blocked.worker]), len(during)


def test_least_load_stays_away(lab):
    waited, _ = waited_behind(lab, "least_load")
    assert waited <= 2


def test_round_robin_does_not(lab):
    waited, of = waited_behind(lab, "round_robin")
    assert of * 0.2 < waited < of * 0.3
