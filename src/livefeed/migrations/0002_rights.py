"""The counter of changed rights, and whom the last changes concern."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("livefeed", "0001_initial")]

    operations = [
        migrations.AddField("instance", "rights", models.BigIntegerField(default=0)),
        migrations.AddField("instance", "rights_of", models.CharField(default="", max_length=1024)),
    ]
