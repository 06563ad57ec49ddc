"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, BrowserType, expect, sync_playwright

from tests.missing import need
from tests.waiting import eventually

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# The same engine without the windows around it (Debian: chromium-headless-shell), for half the CPU.
SHELL = "chromium-headless-shell"

# Nothing here measures time: with two busy cores a page may be late by many seconds.
expect.set_options(timeout=30_000)


@contextmanager
def chromium(*, shell: bool = False) -> Iterator[Browser]:
    """A headless browser of one's own; skips the test as NOT RUN where Chromium is missing.

    `shell`: Chromium's shell will do, where there is one.
    """
    program = (shutil.which(SHELL) if shell else None) or need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Desktop:
    """A Chromium as a person has it: hidden tabs are throttled, left pages are kept, it may be stopped.

    Playwright's own launch forbids the first two.
    """

    def __init__(self, process: subprocess.Popen[bytes], tabs: BrowserContext) -> None:
        self._process = process
        self.tabs = tabs

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """SIGSTOP and SIGCONT of all its processes. The page cannot be asked anything meanwhile."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)


@contextmanager
def desktop(playwright: BrowserType, profile: Path) -> Iterator[Desktop]:
    """One with a profile of its own; skips the test as NOT RUN where Chromium is missing."""
    program = [str(need("chromium")), *FLAGS, "--headless", "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [*program, f"--user-data-dir={profile}"], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        port, path = eventually(partial(_listens_at, profile), 30)
        browser = playwright.connect_over_cdp(f"ws://127.0.0.1:{port}{path}", no_defaults=True)
        yield Desktop(process, browser.contexts[0])
        browser.close()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _listens_at(profile: Path) -> list[str]:
    """Port and path of its DevTools, once it has written them down."""
    try:
        lines = (profile / "DevToolsActivePort").read_text("ascii").splitlines()
    except OSError:
        return []
    return lines if len(lines) == 2 else []
