# SPDX-License-Identifier: Apache-2.0
"""The example configuration: four workers that name themselves, on port 8080 of every address."""

import os

from lab import BUILD, HERE, HOST4, HOST6

DAEMON = HERE.parent.parent / "daemon"
PORTS = {"8081", "8082", "8083", "8084"}


def test_example(lab):
    text = (DAEMON / "lbd.conf").read_text().replace("root www", "root %s" % (DAEMON / "www"))
    environment = {"PATH": "%s:%s" % (BUILD, os.environ["PATH"])}
    lbd = lab.lbd(text, environment=environment)
    lbd.wait_up(4)
    lab.expect_workers(PORTS, 60, port=8080)
    lab.expect_workers(PORTS, 60, host=HOST6, port=8080)
    lab.expect_workers(PORTS, 60, host="127.0.0.1", port=8080, namespace=lab.host)
    page = lab.get(port=8080, host=HOST4)
    assert page.status == 200 and "<title>lbd</title>" in page.body
    assert page.headers["content-type"].startswith("text/html")
    style = lab.get("/style.css", port=8080)
    assert style.headers["cache-control"] == "max-age=60"
    assert lab.get("/../lbd.conf", port=8080).status in (400, 404)
