"""A Celery worker on the guide's task: `celery -A tests.livefeed.celery_app worker`.

The folder with the guide's package `report` is on the path. Each pause of its work waits for a byte of the
FIFO STEPS, so that a test decides when the next chapter is written; Celery's own pauses are left alone.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import SimpleNamespace

import django
from celery import Celery
from django.conf import settings

from tests.livefeed import serving

settings.configure(**serving.settings())
django.setup()

_steps = os.open(os.environ["STEPS"], os.O_RDWR)
vars(import_module("report.work"))["time"] = SimpleNamespace(sleep=lambda _seconds: os.read(_steps, 1))

app = Celery("report", broker=os.environ["BROKER"], include=["report.tasks"])
