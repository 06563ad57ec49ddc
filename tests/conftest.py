"""What every test shares: default signals, one search for properties, and the list of what could not run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator

import pytest
from hypothesis import settings

NOT_RUN = "NOT RUN: "

# Property tests search the same cases in every run, however slow the machine.
settings.register_profile("rollcast", max_examples=200, derandomize=True, deadline=None, database=None)
settings.load_profile("rollcast")


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Children inherit ignored signals, and a run in the background has INT and QUIT ignored."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def _not_run(terminal: pytest.TerminalReporter) -> list[str]:
    reports = terminal.stats.get("skipped", [])
    return sorted(
        {
            f"{str(report.longrepr[2]).split(NOT_RUN, 1)[1]}  ({report.nodeid.split('[')[0]})"
            for report in reports
            if NOT_RUN in str(report.longrepr)
        }
    )


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Name each test that a missing program kept from running."""
    missing = _not_run(terminalreporter)
    if missing:
        terminalreporter.section("NOT RUN: this machine lacks what these tests need")
        for line in missing:
            terminalreporter.line(line)
        if os.environ.get("ALLOW_MISSING") != "1":
            terminalreporter.line("The run fails for it. Install what is missing, or set ALLOW_MISSING=1.")
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that left tests out, unless that was allowed."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if (
        terminal is not None
        and exitstatus == 0
        and _not_run(terminal)
        and os.environ.get("ALLOW_MISSING") != "1"
    ):
        session.exitstatus = 1
