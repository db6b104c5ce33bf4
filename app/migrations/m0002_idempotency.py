"""Idempotency keys."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Creates the table of idempotency keys."""

    dependencies = [("bindery", "m0001_initial")]
    operations = [script(__file__)]
