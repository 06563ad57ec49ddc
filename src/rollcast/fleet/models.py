"""The inventory: hosts, how to reach them, and which host keys are trusted.

Written only by `fleet.actions`. Promise: a key that nobody approved is never used to accept a connection. Why
true: `queries.host_spec` hands out keys in the state `pinned` alone, and only an import (a person's file) or
`trust_host` (a person's decision) pins one.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

# Longest host name, in characters: it stands in table heads, in folder names and in addresses of pages.
MAX_NAME_CHARS = 100


class KeyState(models.TextChoices):
    """What a person decided about a host key."""

    PINNED = "pinned", _("pinned")  # trusted; until a person trusts another one or refuses it
    PENDING = "pending", _("waiting for a decision")  # seen on the wire; until a person trusts or refuses it
    REVOKED = "revoked", _("revoked")  # refused or replaced; until a person trusts it again


class Credential(models.Model):
    """Where the private key lies that opens a host. Rollcast stores the path, never the key."""

    name = models.CharField(max_length=200, unique=True)
    key_file = models.CharField(max_length=1000)

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")

    @override
    def __str__(self) -> str:
        return self.name


class Host(models.Model):
    """A machine in the inventory."""

    name = models.CharField(max_length=MAX_NAME_CHARS, unique=True)
    address = models.CharField(max_length=300)
    port = models.PositiveIntegerField(default=22)
    username = models.CharField(max_length=100, blank=True)
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.SET_NULL, related_name="hosts"
    )
    labels = models.JSONField(default=dict, blank=True)  # {"zone": "eu"}: text to text
    connector = models.CharField(max_length=10, default="ssh", choices=[("ssh", "ssh"), ("local", "local")])
    encoding = models.CharField(max_length=40, default="utf-8")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        ordering: ClassVar = ["name"]

    @override
    def __str__(self) -> str:
        return self.name

    @property
    def key_file(self) -> str:
        """Path of the private key, empty if none is set."""
        return self.credential.key_file if self.credential else ""


class HostKey(models.Model):
    """One public key that a host showed or that an import named."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="keys")
    algorithm = models.CharField(max_length=60)
    key = models.CharField(max_length=3000)  # "ssh-ed25519 AAAA…", without a comment
    fingerprint = models.CharField(max_length=60)  # "SHA256:…", as OpenSSH prints it
    state = models.CharField(max_length=10, choices=KeyState.choices)
    seen_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("host key")
        verbose_name_plural = _("host keys")
        ordering: ClassVar = ["-seen_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host", "key"], name="a_host_has_a_key_once"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.host.name} {self.fingerprint}"
