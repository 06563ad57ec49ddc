"""Settings of a worker process that a test starts: the test's own database and options."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["ROLLCAST_TEST_DATABASE"]
ROLLCAST = json.loads(os.environ["ROLLCAST_TEST_OPTIONS"])
