"""Changed rights are told to every process at once: by a counter that each look at a feed brings.

PROMISE. Once a change is told, no event appended after that goes to anybody whom it concerns until their
rights were asked again; readers notice it by the next ring, or without any by the next safety poll. A change
that nobody tells (an `update()` of rows, a session that expires) is found by RECHECK_S.

WHY. Telling is one UPDATE after the commit of what has changed, and a look at a feed (`livefeed.log.head`)
reads counter and head in one statement: who sees the head of a later append sees the counter, too. The row
names whom the last TOLD changes concern, so that one sign-out does not make every reader of a large site
ask; whoever has missed more than that, or finds the counter of a restored backup, asks for everybody.

It is told after the commit and not within it, so that what changes a right can neither fail nor wait for
another such change because of us. A process killed between the two leaves it to RECHECK_S.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models import F, Model, Value
from django.db.models.functions import Concat, Substr
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone

from livefeed.doorbell import doorbell
from livefeed.models import Instance

# Whom the last so many changes concern: a process that looks once a second must not miss any in a busy one.
TOLD: Final = 64
# Characters for each of them: a digest, as a key may be of any length.
_WIDTH: Final = 16
_EVERYBODY: Final = "*" * _WIDTH


def rights_changed(user: Any = None) -> None:
    """Have what this user may read asked again at once in every process; without a user, what anybody may.

    For projects whose LIVEFEED["MAY_READ"] asks more than Django's users, groups, permissions and sessions,
    which are watched. Told once the current transaction is committed, and never if it is rolled back.
    """
    _tell(_EVERYBODY if user is None else who_is(user))


def who_is(user: Any) -> str:
    """A short name for a user, as `told_since` gives it."""
    return _named(user._meta.pk.value_to_string(user))


def told_since(seen: int | None) -> tuple[int, frozenset[str] | None]:
    """(the counter now, whom the changes after `seen` concern); None stands for everybody."""
    row = Instance.objects.filter(pk=1).values_list("rights", "rights_of").first()
    counter, told = row or (0, "")
    if seen is None or not 0 <= counter - seen <= len(told) // _WIDTH:
        return counter, None
    who = frozenset(told[at : at + _WIDTH] for at in range(0, (counter - seen) * _WIDTH, _WIDTH))
    return counter, None if _EVERYBODY in who else who


def watch_rights() -> None:
    """Listen to what Django says about users, groups, permissions and sessions. Called once, at start-up."""
    user_logged_out.connect(_signed_out, dispatch_uid="livefeed")
    user_model = get_user_model()
    post_save.connect(_user_saved, sender=user_model, dispatch_uid="livefeed")
    post_delete.connect(_user_gone, sender=user_model, dispatch_uid="livefeed")
    for field in user_model._meta.many_to_many:
        m2m_changed.connect(_users_related, sender=field.remote_field.through, dispatch_uid="livefeed")
    for model in (Group, Permission):
        post_delete.connect(_anybody, sender=model, dispatch_uid="livefeed")
    m2m_changed.connect(_anybody, sender=Group.permissions.through, dispatch_uid="livefeed")
    sessions = import_module(settings.SESSION_ENGINE).SessionStore
    if hasattr(sessions, "get_model_class"):  # kept in the database
        with suppress(RuntimeError):  # the default engine, where the app is not installed: no sessions
            post_delete.connect(_session_gone, sender=sessions.get_model_class(), dispatch_uid="livefeed")


def _signed_out(user: Any, **kwargs: Any) -> None:
    if user is not None:
        rights_changed(user)


def _user_saved(instance: Any, created: bool, update_fields: Iterable[str] | None, **kwargs: Any) -> None:
    """Not the time that a sign-in notes, and nobody listens yet who has just been made."""
    if not created and set(update_fields or ()) != {"last_login"}:
        _tell(who_is(instance), kwargs["using"])


def _user_gone(instance: Any, using: str, **kwargs: Any) -> None:
    _tell(who_is(instance), using)


def _users_related(
    instance: Model, action: str, reverse: bool, pk_set: set[Any] | None, using: str, **kwargs: Any
) -> None:
    """Groups and permissions of a user, from either side, and whatever else a project relates users to."""
    if action.startswith("post_"):
        for who in _of_users(instance, reverse, pk_set):
            _tell(who, using)


def _of_users(instance: Model, reverse: bool, pk_set: set[Any] | None) -> Iterable[str]:
    if not reverse:
        return [who_is(instance)]
    if pk_set is None:  # all of a group's users at once
        return [_EVERYBODY]
    return [_named(str(key)) for key in pk_set]


def _anybody(using: str, action: str = "post_", **kwargs: Any) -> None:
    if action.startswith("post_"):
        _tell(_EVERYBODY, using)


def _session_gone(instance: Any, using: str, **kwargs: Any) -> None:
    key = instance.get_decoded().get(SESSION_KEY) if instance.expire_date > timezone.now() else None
    if key is not None:
        _tell(_named(key), using)


def _named(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:_WIDTH]


def _tell(who: str, using: str | None = None) -> None:
    def write() -> None:  # a function, not a partial: Django wants its name to log a failure
        told = Substr(Concat(Value(who), F("rights_of")), 1, TOLD * _WIDTH)
        # Where no feed was ever written there is no row, and nothing to cut.
        if Instance.objects.filter(pk=1).update(rights=F("rights") + 1, rights_of=told):
            doorbell().ring(None)

    transaction.on_commit(write, using=using, robust=True)
