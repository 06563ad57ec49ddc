"""Unit tests of the browser modules, run in Chromium: modules are imported into an empty page."""

from __future__ import annotations
