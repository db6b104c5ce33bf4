"""The version of a cohort's graph rises with every change of what its devices may be answered."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Has the database itself count such changes, whoever makes them."""

    dependencies = [("bindery", "m0006_uploads")]
    operations = [script(__file__, by_dialect=True)]
