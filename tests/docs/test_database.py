"""docs/database.md is what the models say."""

import re
from io import StringIO

from django.apps import apps
from django.core.management import call_command

from recomengine.management.commands import describe_database
from tests.docs.pages import text


def test_the_page_is_current() -> None:
    page = StringIO()
    call_command("describe_database", stdout=page)
    assert page.getvalue() == text("docs/database.md"), "run: manage.py describe_database > docs/database.md"


def test_sql_of_a_migration_has_every_column_of_the_model() -> None:
    """What later migrations add would be missing from that SQL, and so from the page."""
    for (app, name), made in describe_database.made_by_sql().items():
        sql = "\n".join(each for _, each in made)
        for field in apps.get_model(app, name)._meta.local_concrete_fields:
            assert re.search(rf"^    (ADD COLUMN )?{field.column} ", sql, re.MULTILINE)
