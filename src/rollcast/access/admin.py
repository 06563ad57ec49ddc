"""The admin site's view of audit entries and sign-in links: to read, not to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from typing_extensions import override

from rollcast.access.models import AuditEntry, SignInLink

if TYPE_CHECKING:
    AuditEntryAdminBase = admin.ModelAdmin[AuditEntry]
    SignInLinkAdminBase = admin.ModelAdmin[SignInLink]
else:
    AuditEntryAdminBase = SignInLinkAdminBase = admin.ModelAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(AuditEntryAdminBase):
    """Who did what; a record that can be edited records nothing."""

    list_display = ("at", "actor", "verb", "subject")
    list_filter = ("verb",)
    search_fields = ("actor", "subject")
    date_hierarchy = "at"

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Nobody."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Nobody."""
        return False


@admin.register(SignInLink)
class SignInLinkAdmin(SignInLinkAdminBase):
    """Links that are out; deleting one takes it back."""

    list_display = ("user", "created_at", "expires_at", "used_at")
    exclude = ("token_sha256",)

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: a link made here could not be shown."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: SignInLink | None = None) -> bool:
        """Nobody."""
        return False
