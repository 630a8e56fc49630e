# SPDX-License-Identifier: Apache-2.0
"""What a result was measured on, and how busy that machine was."""

import datetime
import os
import pathlib
import platform
import subprocess


def _first(path, key):
    for line in pathlib.Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"


def _output(*command):
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError:
        return None
    return result.stdout.strip() if not result.returncode else None


def _version(*command):
    text = _output(*command)
    return text.splitlines()[0] if text else None


def describe(root):
    memory_kib = int(_first("/proc/meminfo", "MemTotal").split()[0])
    system = _first_quoted("/etc/os-release", "PRETTY_NAME")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": memory_kib // 1024,
        "kernel": platform.release(),
        "virtual": "hypervisor" in pathlib.Path("/proc/cpuinfo").read_text(),
        "system": system,
        "commit": _output("git", "-c", "safe.directory=*", "-C", str(root), "describe", "--always", "--dirty"),
        "programs": {
            name: version
            for name, version in (
                ("nginx", _version("/usr/sbin/nginx", "-v")),
                ("haproxy", _version("/usr/sbin/haproxy", "-v")),
                ("nft", _version("/usr/sbin/nft", "-v")),
                ("lighttpd", _version("/usr/sbin/lighttpd", "-v")),
            )
            if version
        },
        "ipvs": os.path.exists("/proc/net/ip_vs"),
    }


def _first_quoted(path, key):
    for line in pathlib.Path(path).read_text().splitlines():
        name, _, value = line.partition("=")
        if name == key:
            return value.strip('"')
    return "unknown"


def line(machine):
    """One line for people."""
    return "%s, %d cores%s, %d MiB, Linux %s, %s, %s" % (
        machine["cpu"],
        machine["cores"],
        " (virtual)" if machine["virtual"] else "",
        machine["memory_mib"],
        machine["kernel"],
        machine["system"],
        machine["date"],
    )


def on_core(number):
    """
    Words before a command that keep it to one core, the next for each number.  What keeps both cores busy
    is otherwise placed now this way, now that, and a quarter faster or slower by it.
    """
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[number % len(cores)])]


class Cpu:
    """Time that the whole machine's processors were not idle since it was made."""

    def __init__(self):
        self.start = self._busy()

    @staticmethod
    def _busy():
        words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _idle, _iowait, irq, softirq = map(int, words[:7])
        return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")

    def seconds(self):
        return self._busy() - self.start


def memory(pids):
    """Proportional share of memory of these processes, in KiB (so that what they share counts once)."""
    total = 0
    for pid in pids:
        for text in pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines():
            if text.startswith("Pss:"):
                total += int(text.split()[1])
    return total


def resident(pid):
    """VmRSS in KiB."""
    return int(_first("/proc/%d/status" % pid, "VmRSS").split()[0])


def descriptors(pids):
    return sum(len(os.listdir("/proc/%d/fd" % pid)) for pid in pids)


def family(pid):
    """pid and all that descend from it."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = pathlib.Path("/proc/%s/stat" % entry).read_text()
        except OSError:
            continue
        parents[int(entry)] = int(text.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def context_switches(pid):
    """Voluntary ones: how often it went to sleep, i.e. was woken."""
    return int(_first("/proc/%d/status" % pid, "voluntary_ctxt_switches"))


def processor_seconds(pid):
    """Of a process since its start, in the kernel and outside."""
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
