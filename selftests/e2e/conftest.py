# SPDX-License-Identifier: Apache-2.0
"""Fixtures, what to do where the kernel says no, and the final look for what was left behind."""

import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import lab as laboratory
import system


def pytest_configure(config):
    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    system.hear_sanitizers()
    config.addinivalue_line("markers", "unprivileged: needs neither BPF nor namespaces")


def pytest_collection_modifyitems(items):
    why = laboratory.refusal()
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


@pytest.fixture(autouse=True)
def sanitizers():
    """Whatever a program of this test did wrong is this test's failure, also where its exit code is not."""
    yield
    found = system.sanitizer_reports()
    assert not found, "sanitizers:\n" + "\n".join(found)


@pytest.fixture
def under_strace(monkeypatch):
    """A sanitizer looks for leaks by tracing, and a process has one tracer: here they are not looked for."""
    monkeypatch.setenv("LSAN_OPTIONS", os.environ.get("LSAN_OPTIONS", "") + ":detect_leaks=0")


@pytest.fixture
def lab(tmp_path):
    with laboratory.used(laboratory.Lab(tmp_path)) as here:
        yield here


def pytest_sessionfinish(session):
    laboratory.close_all()
    left = laboratory.leftovers()
    if left:
        print("\nleft behind by this run: " + " ".join(left))
        session.exitstatus = 1
