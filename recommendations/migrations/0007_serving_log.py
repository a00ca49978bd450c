import django.contrib.postgres.fields
from django.db import migrations, models

# A partitioned table is beyond Django's schema editor. What is looked for is one slate (an event names it), and for an
# export or erasure those of a visitor or user; attribution reads whole months. The columns of fixed length come first.
PARTITIONED_TABLE = """
CREATE TABLE recommendations_servedslate (
    recommendation_id uuid NOT NULL,
    served_at timestamptz NOT NULL,
    phase integer,
    share real NOT NULL,
    degraded boolean NOT NULL,
    placement text NOT NULL,
    strategy text NOT NULL,
    model_version text,
    experiment text,
    variant text,
    visitor_id text NOT NULL,
    user_id text,
    items_at_hand text[] NOT NULL,
    session_items text[] NOT NULL,
    item_ids text[] NOT NULL,
    sources text[] NOT NULL,
    scores real[] NOT NULL,
    propensities real[] NOT NULL,
    empty_reason text,
    PRIMARY KEY (recommendation_id, served_at)
) PARTITION BY RANGE (served_at);
CREATE INDEX recommendations_servedslate_visitor ON recommendations_servedslate (visitor_id);
CREATE INDEX recommendations_servedslate_user ON recommendations_servedslate (user_id) WHERE user_id IS NOT NULL;
"""
REMOVE = "DROP TABLE recommendations_servedslate"


class Migration(migrations.Migration):

    dependencies = [
        ('recommendations', '0006_rules_and_reranking'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='ServedSlate',
                    fields=[
                        ('pk', models.CompositePrimaryKey('recommendation_id', 'served_at', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('recommendation_id', models.UUIDField()),
                        ('served_at', models.DateTimeField()),
                        ('placement', models.CharField(max_length=128)),
                        ('strategy', models.CharField(max_length=64)),
                        ('model_version', models.CharField(max_length=40, null=True)),
                        ('experiment', models.CharField(max_length=64, null=True)),
                        ('phase', models.IntegerField(null=True)),
                        ('variant', models.CharField(max_length=64, null=True)),
                        ('visitor_id', models.CharField(max_length=128)),
                        ('user_id', models.CharField(max_length=128, null=True)),
                        ('items_at_hand', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=128), size=None)),
                        ('session_items', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=128), size=None)),
                        ('item_ids', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=128), size=None)),
                        ('sources', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), size=None)),
                        ('scores', django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), size=None)),
                        ('propensities', django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), size=None)),
                        ('degraded', models.BooleanField()),
                        ('empty_reason', models.CharField(max_length=32, null=True)),
                        ('share', models.FloatField()),
                    ],
                    options={
                        'ordering': ['-served_at'],
                    },
                ),
            ],
            database_operations=[migrations.RunSQL(PARTITIONED_TABLE, REMOVE)],
        ),
    ]
