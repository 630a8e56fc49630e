# SPDX-License-Identifier: Apache-2.0
"""
What this kernel offers lbd, tried with lbd itself in the laboratory of the end-to-end tests: one line
for each feature, which the table in the README is made of.

    vagrant/features.py BUILD [NIC NIC]     NIC NIC: two of one wire, moved into the laboratory
"""

import os
import pathlib
import platform
import signal
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ["LBD_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve())
sys.path.insert(0, str(ROOT / "selftests" / "e2e"))

from lab import Lab, bpftool, kill_and_wait, run, web

# Hides cgroup v2, and with it sockops: load is then what the listeners themselves say.
NO_CGROUP = """for m in $(awk '$3 == "cgroup2" {print $2}' /proc/mounts); do umount $m; done; exec "$@" """


class NicLab(Lab):
    """On two real (or virtual) NICs in place of a veth pair; they return to where they were."""

    nics = ()

    def pair(self):
        for space, nic, name in zip((self.host, self.client), self.nics, ("eth0", "veth0")):
            run("ip", "link", "set", nic, "netns", space.name)
            space.ip("link", "set", nic, "name", name)

    def close(self):
        for space, nic, name in zip((self.host, self.client), self.nics, ("eth0", "veth0")):
            if space:
                space.run("ip", "link", "set", name, "down", "name", nic, check=False)
                space.run("ip", "link", "set", nic, "netns", "1", check=False)
        return super().close()


def serves(lab, tier):
    """Two workers answer, chosen where the tier has it done."""
    words = {"none": ""}.get(tier, "attach eth0 %s;" % tier)
    lbd = lab.lbd(web("8081-8082", attach=words))
    lbd.wait_up(2)
    status = lbd.json("status")
    said = [i.get("note") or "" for i in status["interfaces"]]
    assert status["tier"] == tier, "tier %s %s" % (status["tier"], " ".join(said))
    assert set(lab.workers_seen(12)) == {"8081", "8082"}
    counters = lbd.counters()
    chosen = counters["steer_chosen" if tier == "none" else "steer_handed_over"]
    assert chosen == 12, counters
    return lbd


def native(lab):
    serves(lab, "native")


def generic(lab):
    serves(lab, "generic")


def sk_lookup(lab):
    serves(lab, "none")


def sockops(lab):
    """Open connections are counted, each where it is."""
    lbd = serves(lab, "none")
    assert lbd.json("status")["tracks"] is True, lbd.output()
    held = [lab.hold() for _ in range(4)]
    assert lbd.active() == {"8081": 2, "8082": 2}, lbd.active()
    assert sorted(c.worker for c in held) == ["8081", "8081", "8082", "8082"]


def exact_load(lab):
    """A worker that accepts nothing is not chosen again, for its accept queue alone."""
    lbd = lab.lbd(web("8081-8082"), wrap=["unshare", "-m", "sh", "-c", NO_CGROUP, "sh"])
    lbd.wait_up(2)
    assert lbd.json("status")["tracks"] is False
    stopped = lbd.pids()["web:8081"]
    os.kill(stopped, signal.SIGSTOP)
    queue = lambda: lbd.backend("127.0.0.1:8081")["queue"]
    while not queue():
        lab.connect()
    assert [lab.get().worker for _ in range(12)] == ["8082"] * 12 and queue() == 1
    os.kill(stopped, signal.SIGCONT)


def adoption(lab):
    """lbd is killed; the next one takes workers and links over, and exchanges the programs."""
    lbd = serves(lab, "native")
    pids, link = lbd.pids(), bpftool("link", "show", "pinned", lbd.pin("links", "ingress_eth0"))
    held = lab.hold()
    kill_and_wait(lbd.pid)
    assert lab.workers_seen(4), "with lbd dead"
    again = lbd.restart()
    again.wait_up(2)
    now = bpftool("link", "show", "pinned", again.pin("links", "ingress_eth0"))
    assert again.pids() == pids and held.get().worker == held.worker
    assert now["id"] == link["id"] and now["prog_id"] != link["prog_id"]


FEATURES = {
    "native XDP on veth": native,
    "native XDP on virtio": native,
    "generic XDP": generic,
    "sk_lookup": sk_lookup,
    "sockops": sockops,
    "exact load": exact_load,
    "adoption": adoption,
}


def try_feature(name, nics):
    """The table's word."""
    kind = Lab
    if name.endswith("virtio"):
        if not nics:
            return "not tried"
        NicLab.nics, kind = nics, NicLab
    with tempfile.TemporaryDirectory() as directory:
        lab = kind(directory)
        try:
            FEATURES[name](lab)
            found = "yes"
        except Exception as why:
            found = "no: " + " ".join(str(why).split())[:2000]
        left = lab.close()
        return "no: left behind: " + " ".join(left) if left and found == "yes" else found


def main():
    missing = 0
    for name in FEATURES:
        found = try_feature(name, sys.argv[2:])
        missing += found.startswith("no:")
        print("feature | %s | %s | %s" % (platform.release(), name, found), flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
