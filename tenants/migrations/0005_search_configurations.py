"""The extensions and text search configurations that every tenant's catalogue is searched with.

They lie in `public`, once for all tenants, and `tenants` is the one app whose migrations run there. Each configuration
is PostgreSQL's own of the language, with accents taken off first. The languages are those that PostgreSQL 15 has.
"""

from django.db import migrations

LANGUAGES = (
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german", "greek",
    "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish",
)  # fmt: skip

# The extension may exist already, and then perhaps in another schema.
EXTENSION = """
    CREATE EXTENSION IF NOT EXISTS {name} SCHEMA public;
    ALTER EXTENSION {name} SET SCHEMA public;
"""
CONFIGURATION = """
    DROP TEXT SEARCH CONFIGURATION IF EXISTS public.recom_{name};
    CREATE TEXT SEARCH CONFIGURATION public.recom_{name} (COPY = pg_catalog.{name});
    ALTER TEXT SEARCH CONFIGURATION public.recom_{name}
        ALTER MAPPING FOR asciiword, word, numword, asciihword, hword, numhword,
                          hword_asciipart, hword_part, hword_numpart
        WITH public.unaccent, {dictionary};
"""
CONFIGURATIONS = {"simple": "pg_catalog.simple", **{name: f"pg_catalog.{name}_stem" for name in LANGUAGES}}


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0004_schema_script'),
    ]

    operations = [
        *(
            migrations.RunSQL(EXTENSION.format(name=name), migrations.RunSQL.noop)
            for name in ("unaccent", "pg_trgm")
        ),
        *(
            migrations.RunSQL(
                CONFIGURATION.format(name=name, dictionary=dictionary),
                f"DROP TEXT SEARCH CONFIGURATION IF EXISTS public.recom_{name}",
            )
            for name, dictionary in CONFIGURATIONS.items()
        ),
    ]
