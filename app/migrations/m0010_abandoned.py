"""Abandoned uploads are looked for again and again."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Creates the index that they are found by."""

    dependencies = [("bindery", "m0009_webhooks")]
    operations = [script(__file__)]
