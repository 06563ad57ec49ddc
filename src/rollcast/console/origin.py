"""Whether a request was sent by a page of somebody else's.

Browsers put `Origin` on every request that is not a plain navigation or a same-origin read. Changes are
checked by Django's CSRF protection; this closes reads too, so that "foreign Origin" has one answer
everywhere: refused.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def foreign_origin(request: HttpRequest) -> bool:
    """True for an `Origin` that is neither this site's nor a trusted one's; False without the header."""
    origin = request.headers.get("Origin")
    if origin is None or origin == f"{request.scheme}://{request.get_host()}":
        return False
    return origin not in settings.CSRF_TRUSTED_ORIGINS
