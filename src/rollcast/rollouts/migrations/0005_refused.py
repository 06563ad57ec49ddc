"""What a worker tells beside its heartbeat while the database refuses its ticks."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rollcast_rollouts", "0004_accepted"),
    ]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="refused",
            field=models.JSONField(default=dict),
        ),
    ]
