"""Devices that get the same answer stand together in an index, where they are counted."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Creates the index that questions about whole fleets are answered from."""

    dependencies = [("bindery", "m0007_graph_version")]
    operations = [script(__file__, by_dialect=True)]
