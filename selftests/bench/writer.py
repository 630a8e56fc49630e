#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""writer.py PORT MEGABYTES FILE: listens, writes lines to its output, then the seconds it took to FILE."""

import os
import socket
import sys
import time

line = b"127.0.0.1 - GET /some/path?with=words HTTP/1.1 200 1234 0.012 a user agent of the usual length\n"
block = line * (65536 // len(line))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
left = int(sys.argv[2]) * 1000000
start = time.monotonic()
while left > 0:
    left -= os.write(1, block)
seconds = time.monotonic() - start
with open(sys.argv[3] + ".new", "w") as out:
    out.write("%.6f\n" % seconds)
os.rename(sys.argv[3] + ".new", sys.argv[3])
