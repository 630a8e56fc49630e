# SPDX-License-Identifier: Apache-2.0
"""Rows of xdp_cost: what ingress costs a packet above an empty program, one packet at a time."""

import re

import e2e

PROGRAM = e2e.BUILD / "bench" / "xdp_cost"
ROW = re.compile(r"^(\S.*?) {2,}(\d+) +(-?[\d.]+) +(-?[\d.]+)$", re.M)


def rows(lab, rounds):
    """[(path, flows, ns)]: medians over rounds."""
    text = lab.host.run(PROGRAM, rounds, timeout=300).stdout
    found = [(name, int(flows), float(ns)) for name, flows, ns, _quiet in ROW.findall(text)]
    if not found:
        raise RuntimeError("xdp_cost printed no rows: " + text[:200])
    return found
