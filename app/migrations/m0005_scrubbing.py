"""Looking at stored content again, and again."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Creates the table of what is looked at now, and indexes of what is next."""

    dependencies = [("bindery", "m0004_indexes")]
    operations = [script(__file__)]
