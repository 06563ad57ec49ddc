"""The admin site's view of the inventory: to read. Changes are actions, with their audit entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from typing_extensions import override

from rollcast.fleet.models import Credential, Host, HostKey

if TYPE_CHECKING:
    ReadOnlyBase = admin.ModelAdmin[Model]
else:
    ReadOnlyBase = admin.ModelAdmin


class ReadOnly(ReadOnlyBase):
    """Shows rows that only actions may write."""

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


@admin.register(Host)
class HostAdmin(ReadOnly):
    """Hosts."""

    list_display = ("name", "address", "port", "username", "labels")
    search_fields = ("name", "address")


@admin.register(HostKey)
class HostKeyAdmin(ReadOnly):
    """Host keys and who decided about them."""

    list_display = ("host", "algorithm", "fingerprint", "state", "seen_at", "decided_by")
    list_filter = ("state",)
    search_fields = ("host__name", "fingerprint")


@admin.register(Credential)
class CredentialAdmin(ReadOnly):
    """Where private keys lie."""

    list_display = ("name", "key_file")
