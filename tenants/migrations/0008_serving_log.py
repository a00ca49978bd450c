import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0007_training'),
    ]

    operations = [
        migrations.AddField(
            model_name='tenant',
            name='serving_log_share',
            field=models.FloatField(db_default=1.0, default=1.0, help_text='Share of the visitors whose slates are logged, 0 to 1; those of an experiment always are.', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)]),
        ),
    ]
