"""The texts of `<live-feed>`, by the word that its script has for them."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, str | Promise]] = {
    # States.
    "connecting": _("Connecting"),
    "live": _("Live"),
    "catching_up": _("Catching up"),
    "reconnecting": _("No connection. Trying again"),
    "ended": _("Complete"),
    "waiting": _("Nothing here yet"),
    "sign_in": _("You are signed out. Sign in and reload this page"),
    "forbidden": _("You may not read this"),
    "stopped": _("Stopped. Reload this page"),
    # Remarks; {n} is a number.
    "earlier": _("Earlier lines that are not shown: {n}"),
    "pruned": _("Events that are no longer kept: {n}"),
    "anew": _("This feed has begun anew"),
}
