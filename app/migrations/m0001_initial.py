"""The first version: every table, constraint and index, as SQL in the file beside this one."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Creates the tables of the first version."""

    initial = True
    operations = [script(__file__)]
