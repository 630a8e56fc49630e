#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""writer.py MEGABYTES FILE: writes lines to standard output, then the seconds that took to FILE."""

import os
import sys
import time

line = b"127.0.0.1 - GET /some/path?with=words HTTP/1.1 200 1234 0.012 a user agent of the usual length\n"
block = line * (65536 // len(line))
left = int(sys.argv[1]) * 1000000
start = time.monotonic()
while left > 0:
    left -= os.write(1, block)
seconds = time.monotonic() - start
with open(sys.argv[2] + ".new", "w") as out:
    out.write("%.6f\n" % seconds)
os.rename(sys.argv[2] + ".new", sys.argv[2])
