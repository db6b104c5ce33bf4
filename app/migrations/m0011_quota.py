"""The bytes of an organization are counted, and limited."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Creates the table of usage, and counts what is there."""

    dependencies = [("bindery", "m0010_abandoned")]
    operations = [script(__file__)]
