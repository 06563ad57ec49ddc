"""Who accepted a cancel that its host did not confirm, and why."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rollcast_rollouts", "0003_request_sha256"),
    ]

    operations = [
        migrations.AddField(
            model_name="steprun",
            name="accepted_by",
            field=models.CharField(blank=True, default="", max_length=200),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="steprun",
            name="accepted_reason",
            field=models.CharField(blank=True, default="", max_length=300),
            preserve_default=False,
        ),
        migrations.AlterModelOptions(
            name="rollout",
            options={
                "permissions": [("operate", "May start, pause, resume, cancel, accept and retry rollouts")]
            },
        ),
    ]
