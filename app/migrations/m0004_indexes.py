"""Indexes for lists in every order, and for children of many rows."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Adds what a page of a million rows needs, and replaces indexes that were too short."""

    dependencies = [("bindery", "m0003_process")]
    operations = [script(__file__)]
