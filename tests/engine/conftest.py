"""Property tests of the engine search the same cases in every run, however slow the machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("rollcast", max_examples=200, derandomize=True, deadline=None, database=None)
settings.load_profile("rollcast")
