"""Products, and the imports that bring their prices."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from typing_extensions import override


class Product(models.Model):
    """Something to sell."""

    sku = models.CharField(max_length=40, unique=True)
    price = models.CharField(max_length=20)
    objects: ClassVar[models.Manager[Product]] = models.Manager()

    @override
    def __str__(self) -> str:
        return self.sku


class Import(models.Model):
    """One reading of the supplier's list."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    kind = models.CharField(max_length=5)  # "sync" or "async": which view does it
    begun_at = models.DateTimeField(null=True)
    objects: ClassVar[models.Manager[Import]] = models.Manager()

    @override
    def __str__(self) -> str:
        return f"import {self.pk}"

    @property
    def feed(self) -> str:
        """The key of its feed."""
        return f"import/{self.pk}"
