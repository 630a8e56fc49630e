# SPDX-License-Identifier: Apache-2.0
"""
The bench's IPVS peer beside lbd, in front of the same workers: what is answered, not how fast, since an
emulated processor's time means nothing.

    vagrant/ipvs.py BUILD
"""

import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ["LBD_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve())
sys.path.insert(0, str(ROOT / "selftests" / "bench"))

import e2e
import peers

PORTS = range(8081, 8085)
REQUESTS = 40


def spread(lab, peer):
    """{worker: requests} through the peer."""
    with peer(lab, PORTS):
        return lab.workers_seen(REQUESTS, port=peers.PORT)


def main():
    e2e.run("modprobe", "ip_vs")
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        lab = e2e.Lab(directory)
        try:
            # Where both send to: a backend that lbd does not supervise is known by its exact address.
            lab.apps(PORTS, "--address=" + peers.HOST)
            for peer in (peers.Ipvs, peers.Lbd):
                why = peer.missing()
                seen = {} if why else spread(lab, peer)
                failed += len(seen) != len(PORTS)
                print("%s: %s" % (peer.name, why or "%d requests answered, by %s" % (
                    sum(seen.values()), ", ".join("%s %dx" % of for of in sorted(seen.items())))))
        finally:
            lab.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
