"""Every shop starts with the built-in placements, as they are when it is created."""

from django.db import migrations

from recommendations.placements import BUILT_IN


def create(apps, schema_editor):
    placement = apps.get_model("recommendations", "Placement")
    placement.objects.bulk_create(
        [placement(key=key, name=name, cascade=list(cascade)) for key, (name, cascade) in BUILT_IN.items()],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0001_initial")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
