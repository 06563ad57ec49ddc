"""The URLs of the demo's console: the shipped ones and the drill."""

from __future__ import annotations

from django.urls import include, path

from rollcast.config import urls as shipped
from rollcast.demo import pages

_drill = ([path("", pages.drill, name="drill"), path("start", pages.start, name="start")], "demo")

urlpatterns = [path("drill/", include(_drill)), *shipped.urlpatterns]

handler403 = shipped.handler403
handler404 = shipped.handler404
handler500 = shipped.handler500
