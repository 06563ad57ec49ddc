"""The ASGI application that `tests.livefeed.serving` names in its settings."""

from __future__ import annotations

from tests.livefeed import serving

application = serving.application()
