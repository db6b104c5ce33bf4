"""How many devices each cohort has, kept by the database itself."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Counts what is there, and has every change of a device's cohort counted with it."""

    dependencies = [("bindery", "m0011_quota")]
    operations = [script(__file__, by_dialect=True)]
