"""Who did what, and the one-time links that sign somebody in."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from typing_extensions import override


class AuditEntry(models.Model):
    """One thing that somebody asked for. Written in the transaction that does it, never changed."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=200)  # "user:olga", "cli:olga", "worker:web-1"
    verb = models.CharField(max_length=60)  # "rollout.paused"
    subject = models.CharField(max_length=300)  # "rollout/42", "host/eu-01"
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering: ClassVar = ["-at", "-pk"]
        indexes: ClassVar = [models.Index(fields=["subject", "at"])]

    @override
    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.verb} {self.subject}"


class SignInLink(models.Model):
    """A link that signs in once. Only the token's hash is stored: who reads the table cannot sign in."""

    token_sha256 = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("sign-in link")
        verbose_name_plural = _("sign-in links")

    @override
    def __str__(self) -> str:
        return f"{self.user} until {self.expires_at:%Y-%m-%d %H:%M}"
