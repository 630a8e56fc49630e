# SPDX-License-Identifier: Apache-2.0
"""What the bench takes from the end-to-end tests: their laboratory.  The one place that imports it."""

import itertools
import os
import pathlib
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import system

# The bench runs as process 1 of a namespace: names carry the pid that others see.
PREFIX = "bench%d" % os.getpid()
_numbers = itertools.count(1)
system.unique = lambda: "%sx%d" % (PREFIX, next(_numbers))

from clients import Connection
from lab import CLIENT4, HOST4, Lab
from processes import Process
from system import BUILD, HERE, PYTHON, ROOT, kill_and_wait, run, unique, wait_until

__all__ = (
    "BUILD CLIENT4 Connection HERE HOST4 Lab PREFIX PYTHON Process ROOT kill_and_wait run unique"
    " wait_until"
).split()
