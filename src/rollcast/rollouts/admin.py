"""Rollouts in Django's admin: to look at, never to change (the only writers are `actions` and `leases`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from typing_extensions import override

from rollcast.rollouts.models import Artifact, RecipeRevision, Rollout, StepRun, Target, Worker

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Model]
else:
    Admin = admin.ModelAdmin


class LookOnly(Admin):
    """No row is added, changed or deleted here."""

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Rollout)
class RolloutAdmin(LookOnly):
    """Rollouts with who decides on them."""

    list_display = (
        "id",
        "title",
        "state",
        "wanted",
        "conductor",
        "fence",
        "created_by",
        "created_at",
    )
    list_filter = ("state",)


@admin.register(Target)
class TargetAdmin(LookOnly):
    """Targets with who acts on them."""

    list_display = ("id", "rollout", "name", "wave", "state", "reason", "worker", "fence")
    list_filter = ("state",)


@admin.register(StepRun)
class StepRunAdmin(LookOnly):
    """Step runs with the account of their journals."""

    list_display = ("id", "target", "step_index", "attempt", "state", "exit_code", "journal_bytes")
    list_filter = ("state",)


for model in (RecipeRevision, Artifact, Worker):
    admin.site.register(model, LookOnly)
