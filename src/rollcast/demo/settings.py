"""The settings of the demo's console: the shipped ones and the page of the drill."""

from __future__ import annotations

from rollcast.config import settings as shipped

globals().update({name: getattr(shipped, name) for name in dir(shipped) if name.isupper()})

INSTALLED_APPS = ["rollcast.demo", *shipped.INSTALLED_APPS]
ROOT_URLCONF = "rollcast.demo.urls"
