"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.missing import need

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
