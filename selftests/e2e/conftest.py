# SPDX-License-Identifier: Apache-2.0
"""Fixtures, what to do where the kernel says no, and the final look for what was left behind."""

import ctypes
import os
import pathlib
import platform
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import lab as laboratory


def _bpf_works():
    number = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
    if number is None:
        return False
    attributes = (ctypes.c_uint32 * 32)(2, 4, 4, 1)  # an array of one element
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, 0, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def _refusal():
    """Why these tests cannot run here, or None."""
    if os.geteuid():
        return "needs root"
    if subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL).returncode:
        return "needs network namespaces, which this kernel or container refuses"
    if not _bpf_works():
        return "needs BPF, which this kernel or container refuses"
    return None


def pytest_configure(config):
    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    config.addinivalue_line("markers", "unprivileged: needs neither BPF nor namespaces")


def pytest_collection_modifyitems(items):
    why = _refusal()
    for item in items:
        if why and not item.get_closest_marker("unprivileged"):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what lbd said."""
    report = (yield).get_result()
    found = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.failed and found:
        for lbd in found.lbds:
            if hasattr(lbd, "log") and lbd.log.exists():
                report.sections.append(("log of lbd -n " + lbd.instance, lbd.output()[-6000:]))


@pytest.fixture
def lab(tmp_path):
    here = laboratory.Lab(tmp_path)
    yield here
    left = here.close()
    assert not left, "left behind:\n" + "\n".join(left)


def pytest_sessionfinish(session):
    laboratory.close_all()
    left = laboratory.leftovers()
    if left:
        print("\nleft behind by this run: " + " ".join(left))
        session.exitstatus = 1
