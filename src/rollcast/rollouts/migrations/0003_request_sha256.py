"""What was asked for with an idempotency key: the same key for another request is refused."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rollcast_rollouts", "0002_detail"),
    ]

    operations = [
        migrations.AddField(
            model_name="rollout",
            name="request_sha256",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
    ]
