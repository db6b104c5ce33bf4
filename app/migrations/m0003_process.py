"""The processes that share a database."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Creates the table of processes."""

    dependencies = [("bindery", "m0002_idempotency")]
    operations = [script(__file__)]
