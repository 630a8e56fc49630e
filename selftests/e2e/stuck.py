# SPDX-License-Identifier: Apache-2.0
"""What an lbd that does not end is doing, and those that it waits for: so that one occurrence is explained."""

import pathlib
import subprocess

from system import BUILD, cgroups, text_of

LBCTL_S = 5
LOG_BYTES = 4000


def process(pid):
    """A line of what it is, and where in the kernel it stands."""
    files = pathlib.Path("/proc/%d" % pid)
    stat = text_of(files / "stat").rpartition(")")[2].split()
    words = text_of(files / "cmdline").replace("\0", " ")
    place = " < ".join(line.split()[-1] for line in text_of(files / "stack").splitlines())
    return "pid %d, parent %s, state %s, in %s: %s%s" % (
        pid,
        stat[1] if len(stat) > 1 else "?",
        stat[0] if stat else "gone",
        text_of(files / "wchan") or "?",
        words[:200] or text_of(files / "comm").strip(),
        "\n    stack " + place if place else "",
    )


def asked(instance, *words):
    try:
        result = subprocess.run(
            [BUILD / "lbctl", "-n", instance, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LBCTL_S,
        )
    except subprocess.TimeoutExpired:
        return "no answer in %d s" % LBCTL_S
    return result.stdout


def group(path):
    pids = text_of(pathlib.Path(path, "cgroup.procs")).split()
    return "%s: %s" % (path, " ".join(pids) or "empty")


def report(lbd):
    """Before it is killed; nothing here waits for it for long."""
    parts = [process(pid) for pid in sorted({lbd.pid, *lbd.lab.host.pids()})]
    signals = text_of(pathlib.Path("/proc/%d/status" % lbd.pid)).splitlines()
    parts += [line for line in signals if line.startswith(("SigQ", "SigPnd", "ShdPnd", "SigBlk"))]
    parts += [group(path) for path in cgroups(lbd.instance)]
    for words in (["status"], ["worker"], ["pool"]):
        parts.append("lbctl %s:\n%s" % (" ".join(words), asked(lbd.instance, *words)))
    parts.append("its log:\n" + lbd.output()[-LOG_BYTES:])
    return "\n".join(parts)
