"""`python -m rollcast.cli` is `rollcast`."""

from __future__ import annotations

import sys

from rollcast.cli import main

sys.exit(main())
